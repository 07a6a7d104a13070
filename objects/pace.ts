/**
 * Commits follow one another at this distance while calls come in together.
 * The more calls a commit carries, the less each costs.
 */
const GROUP_MS = 20
/** Under load a drain waits for more events at most this long. So it tells D1 of many commits at once. */
export const MAX_LINGER_MS = 500
/** The shard is under load when it gets at least this many calls within MAX_LINGER_MS. */
const MIN_LOAD_CALLS = 24

/**
 * Says how long commits and drains wait for more calls. They do not wait while calls are rare.
 * Times are milliseconds since 1970, from `now`. A clock that jumps back ends a wait, and never makes one longer.
 */
export class Pace {
  readonly #now: () => number
  /** When the last commit was made, if it carried more than one call; else 0. */
  #groupedAt = 0
  /** An estimate of how many calls there were in the MAX_LINGER_MS before the last one. */
  #recentCalls = 0
  #calledAt = 0
  #drainedAt = 0
  /** The next drain is not due before this moment. */
  #drainAt = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Returns how many milliseconds a commit that is being put together waits for more calls. */
  groupWait(): number {
    return Math.min(GROUP_MS, Math.max(0, this.#groupedAt + GROUP_MS - this.#now()))
  }

  /** Counts a commit and the calls it carried. */
  committed(calls: number): void {
    this.#groupedAt = calls > 1 ? this.#now() : 0
    this.#count(calls)
  }

  /** Counts a call whose commit waits for no others. It is load all the same. */
  committedAlone(): void {
    this.#count(1)
  }

  /**
   * Counts a drain of so many events, and decides when the next one is due.
   * Under load that is when about `most` more events have come in, after at most MAX_LINGER_MS. It is at once when
   * calls are rare, and when this drain left some events behind.
   */
  drained(events: number, most: number, leavesSome: boolean): void {
    const now = this.#now()
    const elapsed = Math.max(0, now - this.#drainedAt)
    this.#drainedAt = now
    this.#count(0)
    const lingers = this.#recentCalls >= MIN_LOAD_CALLS && !leavesSome
    const wait = lingers ? Math.min(MAX_LINGER_MS, Math.floor((most / events) * elapsed)) : 0
    this.#drainAt = now + wait
  }

  /** Returns the milliseconds until the next drain is due. */
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
