import { env } from 'cloudflare:workers'
import { configurationOf, type Level, LEVELS } from './config'

// Lines below this level are left out.
const least = LEVELS.indexOf(configurationOf(env).logLevel)

/** A line names at most this many events or requests: the platform cuts off longer lines. */
export const LOGGED_IDS = 20

const told = new Set<string>()

/**
 * Writes one line of JSON for one occurrence. Never pass a token, a payload or metadata.
 * @example log('warn', 'D1 did not take a write; it will be tried again', { shard, attempts: 3 })
 */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  if (LEVELS.indexOf(level) < least) return
  console[level](JSON.stringify({ level, message, timestamp: new Date().toISOString(), ...fields }))
}

/** Writes a line the first time only, for a mistake that stays until the next deployment. */
export function logOnce(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  if (told.has(message)) return
  told.add(message)
  log(level, message, fields)
}

/** Picks the first LOGGED_IDS of many for a line, and counts the rest. @example { event_ids: ['a', 'b'], more: 7 } */
export function firstOf(
  name: string,
  all: readonly unknown[],
  count = all.length,
): Record<string, unknown> {
  const more = count - Math.min(LOGGED_IDS, all.length)
  return { [name]: all.slice(0, LOGGED_IDS), ...(more > 0 && { more }) }
}
