/** This module waits. */

const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000
/** A proxy may ask for hours, and a timer of more than 24 days ends at once. */
const MAX_ASKED_SECONDS = 60

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, milliseconds)
    if (signal?.aborted) wake()
    else signal?.addEventListener('abort', wake)
  })
}

/** Picks a wait at random, so that those who failed together do not come back together. It grows with each failure. */
export function pauseMs(failures: number, atLeastSeconds = 0): number {
  const most = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures)
  return Math.min(atLeastSeconds, MAX_ASKED_SECONDS) * 1_000 + (most * (1 + Math.random())) / 2
}
