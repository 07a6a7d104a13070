import { env } from 'cloudflare:workers'
import { configurationOf, type Level, LEVELS } from './config'

// Lines below this level are not written.
const least = LEVELS.indexOf(configurationOf(env).logLevel)

/** More would make a line that the platform cuts off. */
export const LOGGED_IDS = 20

const told = new Set<string>()

/** Writes a line of JSON, one an occurrence. Never pass a token, a payload or metadata. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  if (LEVELS.indexOf(level) < least) return
  console[level](JSON.stringify({ level, message, timestamp: new Date().toISOString(), ...fields }))
}

/** Writes a line the first time only: of what stays as it is until the next deployment. */
export function logOnce(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  if (told.has(message)) return
  told.add(message)
  log(level, message, fields)
}

/** The first of many for a line, and how many more there are. @example { event_ids: ['a', 'b'], more: 7 } */
export function firstOf(
  name: string,
  all: readonly unknown[],
  count = all.length,
): Record<string, unknown> {
  const more = count - Math.min(LOGGED_IDS, all.length)
  return { [name]: all.slice(0, LOGGED_IDS), ...(more > 0 && { more }) }
}
