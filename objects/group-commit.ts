import type { Pace } from './pace'

/** What one call wants done in the transaction, and what must be known before. */
interface Rider {
  prepare: (() => Promise<void>) | undefined
  /** @returns what tells the caller its result, once the transaction is made */
  run: () => () => void
  fail: (error: unknown) => void
}

/** Calls that came in while a transaction is being put together. */
export interface Group {
  riders: Rider[]
}

/**
 * Makes changes of several calls in one transaction: the more it carries, the less each costs. A lone call waits for
 * nobody. When one of them throws, none is made.
 */
export class GroupCommit {
  readonly #commit: <T>(change: () => T, calls: number) => T
  readonly #pace: Pace
  #open: Group | undefined

  /** @param commit makes a change in one transaction, for so many calls */
  constructor(commit: <T>(change: () => T, calls: number) => T, pace: Pace) {
    this.#commit = commit
    this.#pace = pace
  }

  /** The group that the next call rides in. */
  open(): Group {
    if (this.#open) return this.#open
    const group: Group = { riders: [] }
    this.#open = group
    // Calls that already wait in the event loop are delivered before a timer fires, however short.
    void scheduler.wait(this.#pace.groupWait()).then(() => this.#make(group))
    return group
  }

  /** Has the next call ride in another group. */
  close(): void {
    this.#open = undefined
  }

  /** Makes a change together with those of other calls. @param prepare runs before, once nobody else gets on @returns its result, durable */
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
