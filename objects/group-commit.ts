import type { Pace } from './pace'

/** One call that rides in a group: what it wants done in the transaction, and what must happen before. */
interface Rider {
  prepare: (() => Promise<void>) | undefined
  /** Makes the change. @returns a function that gives the caller its result, once the transaction is made */
  run: () => () => void
  fail: (error: unknown) => void
}

/** The calls that share the next transaction. */
export interface Group {
  riders: Rider[]
}

/**
 * Makes the changes of several calls in one transaction: the more it carries, the less each costs.
 * A lone call does not wait for others. When one change throws, none is made.
 */
export class GroupCommit {
  readonly #commit: <T>(change: () => T, calls: number) => T
  readonly #pace: Pace
  #open: Group | undefined

  /** @param commit makes a change in one transaction, for the given number of calls */
  constructor(commit: <T>(change: () => T, calls: number) => T, pace: Pace) {
    this.#commit = commit
    this.#pace = pace
  }

  /** Returns the group that the next call rides in, and begins one if there is none. */
  open(): Group {
    if (this.#open) return this.#open
    const group: Group = { riders: [] }
    this.#open = group
    // Calls that already wait in the event loop are delivered before a timer fires, however short.
    void scheduler.wait(this.#pace.groupWait()).then(() => this.#make(group))
    return group
  }

  /** Closes the open group, so that the next call rides in another one. */
  close(): void {
    this.#open = undefined
  }

  /**
   * Makes a change in one transaction with those of other calls.
   * @param prepare runs before the transaction, once no other call can join the group
   * @returns the result of `change`; durable when this resolves
   * @example const outcomes = await commits.ride(() => moveEvents(store, { verb: 'ack', ids }, policy))
   */
  ride<T>(change: () => T, prepare?: () => Promise<void>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const run = () => {
      const result = change()
      return () => resolve(result)
    }
    this.open().riders.push({ prepare, run, fail: reject })
    return promise
  }

  async #make(group: Group): Promise<void> {
    if (this.#open === group) this.#open = undefined
    const { riders } = group
    try {
      const preparing = riders.flatMap(({ prepare }) => (prepare ? [prepare()] : []))
      if (preparing.length > 0) await Promise.all(preparing)
      const told = this.#commit(() => riders.map(({ run }) => run()), riders.length)
      for (const tell of told) tell()
    } catch (error) {
      for (const { fail } of riders) fail(error)
    }
  }
}
