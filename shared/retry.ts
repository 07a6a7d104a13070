/** This module says when to try again and how long one try may take. It is pure but for the timer and the dice. */

const MIN_DELAY_MS = 1_000
/** No attempt is put off for longer than this. */
export const MAX_DELAY_MS = 60_000

/** Picks the wait before the next attempt at random. It is at least 1 s; the bound doubles from 2 s up to 60 s. */
export function backoffMs(failedAttempts: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** failedAttempts)
  return Math.round(MIN_DELAY_MS + random() * (ceiling - MIN_DELAY_MS))
}

/**
 * Returns the milliseconds until `moment`, which was set at most `longest` ahead; 0 when it is over.
 * A moment that seems further ahead was set before the clock jumped back: it is over too.
 */
export function waitUntil(moment: number, longest: number): number {
  const wait = moment - Date.now()
  return wait > longest ? 0 : Math.max(0, wait)
}

/** Halves how many are tried at once, after that many were too many. */
export function fewer(size: number): number {
  return Math.max(1, size >> 1)
}

/**
 * Raises how many are tried at once by an eighth, up to `most`, after that many went well.
 * Where D1 has a limit, one attempt in six then goes beyond it.
 */
export function more(size: number, most: number): number {
  return Math.min(most, size + Math.ceil(size / 8))
}

/** Rejects with a TimeoutError after `milliseconds`. The work itself goes on and may still take effect later. */
export function withTimeout<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const late = () => reject(new DOMException(`no answer within ${milliseconds} ms`, 'TimeoutError'))
  const timer = setTimeout(late, milliseconds)
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
