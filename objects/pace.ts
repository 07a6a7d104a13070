/** While calls come in together, a commit waits until the one before is so old: the more it carries, the less each costs. */
const GROUP_MS = 20
/** Under load a drain waits at most so long for more to come in, so that it tells D1 of many commits at once. */
export const MAX_LINGER_MS = 500
/** Load is at least so many calls within MAX_LINGER_MS. */
const MIN_LOAD_CALLS = 24

/**
 * Says how long commits and drains wait for company: not at all while calls are rare, up to a bound under load.
 * Times are milliseconds since 1970, as `now` tells them; a clock that jumps back ends a wait, and never makes one longer.
 */
export class Pace {
  readonly #now: () => number
  /** When the last commit was made, if it carried more than one call; else 0. */
  #groupedAt = 0
  /** About how many calls there were in the MAX_LINGER_MS before the last one. */
  #recentCalls = 0
  #calledAt = 0
  #drainedAt = 0
  /** The next drain is not due before. */
  #drainAt = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** How many milliseconds a commit that is being put together waits for more calls. */
  groupWait(): number {
    return Math.min(GROUP_MS, Math.max(0, this.#groupedAt + GROUP_MS - this.#now()))
  }

  /** Counts a commit and the calls it carried. */
  committed(calls: number): void {
    this.#groupedAt = calls > 1 ? this.#now() : 0
    this.#count(calls)
  }

  /** Counts a drain of so many events, and puts the next one off until about `most` more have come in, if calls come in fast. */
  drained(events: number, most: number, leavesSome: boolean): void {
    const now = this.#now()
    const elapsed = Math.max(0, now - this.#drainedAt)
    this.#drainedAt = now
    this.#count(0)
    const lingers = this.#recentCalls >= MIN_LOAD_CALLS && !leavesSome
    const wait = lingers ? Math.min(MAX_LINGER_MS, Math.floor((most / events) * elapsed)) : 0
    this.#drainAt = now + wait
  }

  /** Milliseconds until the next drain is due. */
  linger(): number {
    const wait = this.#drainAt - this.#now()
    return wait > MAX_LINGER_MS ? 0 : Math.max(0, wait)
  }

  #count(calls: number): void {
    const now = this.#now()
    const elapsed = Math.max(0, now - this.#calledAt)
    this.#calledAt = now
    this.#recentCalls = this.#recentCalls * Math.exp(-elapsed / MAX_LINGER_MS) + calls
  }
}
