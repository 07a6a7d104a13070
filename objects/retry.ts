/** When to try again, and how long one try may take. Pure but for the timer and the dice. */

const MIN_DELAY_MS = 1_000
const MAX_DELAY_MS = 60_000

/** Capped exponential backoff with full jitter: up to 2 s after the first failed attempt, never over 60 s. */
export function backoffMs(failedAttempts: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** failedAttempts)
  return Math.round(MIN_DELAY_MS + random() * (ceiling - MIN_DELAY_MS))
}

/** Rejects after `milliseconds`. The work itself cannot be called off and may still take effect later. */
export function withTimeout<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${milliseconds} ms`)),
    milliseconds,
  )
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
