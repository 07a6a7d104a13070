import { expect } from 'vitest'
import type { Seen, Steering } from './steered-worker'
import { test as base } from './world'

export const STEERED_WORKER = 'test/support/steered-worker.ts'

/**
 * Steers the worker at `url`; what is not named stays as it is, and null ends all steering.
 * @returns what waits there, and what it has seen
 */
export async function steerAt(url: URL, steering: Partial<Steering> | null): Promise<Seen> {
  const request = steering
    ? { method: 'POST', body: JSON.stringify(steering) }
    : { method: 'DELETE' }
  const response = await fetch(new URL('/steer', url), request)
  expect(response.status).toBe(200)
  return (await response.json()) as Seen
}

/** The fixture with the real worker as `steered-worker.ts` wraps it. At the end of each test it is steered no more. */
export const test = base
  .override('main', STEERED_WORKER)
  .extend('steer', async ({ inbox }, { onCleanup }) => {
    onCleanup(async () => void (await steerAt(inbox.url, null)))
    return (steering: Partial<Steering> = {}) => steerAt(inbox.url, steering)
  })
