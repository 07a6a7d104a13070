import { expect } from 'vitest'
import type { Held, Steering } from './steered-worker'
import { AUTHORIZED, type Inbox, test as base } from './world'

/** The fixture with the real worker as `steered-worker.ts` wraps it, and one shard. */
export const test = base
  .override('main', 'test/support/steered-worker.ts')
  .override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '2', LOG_LEVEL: 'debug' })

/** Steers; what is not named stays as it is. @returns what waits */
export async function steer(inbox: Inbox, steering: Partial<Steering>): Promise<Held> {
  const response = await fetch(new URL('/steer', inbox.url), {
    method: 'POST',
    headers: AUTHORIZED,
    body: JSON.stringify(steering),
  })
  expect(response.status).toBe(200)
  return response.json() as Promise<Held>
}

/** Lines of the log with this message, as objects. */
export function logged(server: { getLogs(): { message: string }[] }, message: string) {
  const lines = server.getLogs().filter((line) => line.message.includes(`"message":"${message}"`))
  return lines.map((line): Record<string, unknown> => JSON.parse(line.message))
}
