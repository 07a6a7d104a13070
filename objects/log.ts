type Level = 'debug' | 'info' | 'warn' | 'error'

/** One line of JSON an occurrence. Never pass a token, a payload or metadata. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  console[level](JSON.stringify({ level, message, timestamp: new Date().toISOString(), ...fields }))
}
