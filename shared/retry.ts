/** When to try again, and how long one try may take. Pure but for the timer and the dice. */

const MIN_DELAY_MS = 1_000
/** Nothing that failed waits longer for its next attempt. */
export const MAX_DELAY_MS = 60_000

/** Capped exponential backoff with full jitter: up to 2 s after the first failed attempt, never over 60 s. */
export function backoffMs(failedAttempts: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** failedAttempts)
  return Math.round(MIN_DELAY_MS + random() * (ceiling - MIN_DELAY_MS))
}

/**
 * Milliseconds until `moment`, which was set at most `longest` ahead; 0 when it is over.
 * One that seems further ahead was set before the clock jumped back: it is over too.
 */
export function waitUntil(moment: number, longest: number): number {
  const wait = moment - Date.now()
  return wait > longest ? 0 : Math.max(0, wait)
}

/** Half as many at once, after that many were too many. */
export function fewer(size: number): number {
  return Math.max(1, size >> 1)
}

/** An eighth more at once, after that many went well: one attempt in six is too many, where D1 has a limit. */
export function more(size: number, most: number): number {
  return Math.min(most, size + Math.ceil(size / 8))
}

/**
 * Rejects with a TimeoutError after `milliseconds`. The work itself cannot be called off and may
 * still take effect later.
 */
export function withTimeout<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const late = () => reject(new DOMException(`no answer within ${milliseconds} ms`, 'TimeoutError'))
  const timer = setTimeout(late, milliseconds)
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
