import { MINUTE_MS } from '../../shared/chart'
import type { Sql } from './sql'

/** A run number serves this many writes; then the object takes another one. */
const WRITES_A_RUN = 2 ** 24

/** Numbers a shard's commits, and its writes to D1. Both numbers only rise, whatever the wall clock does. */
export function clockOn(sql: Sql) {
  /** Milliseconds since 1970, or more. The counters' row keeps it with every commit. */
  let last = sql.number('SELECT clock FROM counters')
  let lastWrite = 0
  return {
    /** Returns a later moment than any before. It orders commits even when the wall clock stands still. */
    nextTimestamp(): number {
      return (last = Math.max(Date.now(), last + 1))
    },
    /** Returns the last moment given. */
    now: () => last,
    /** Returns the present moment: that of the wall clock, or the last one given when that is later. */
    present: () => Math.max(Date.now(), last),
    /** Moves the clock past a moment of another shard, so that all later moments are later than that one. */
    advanceClockPast(moment: number): void {
      last = Math.max(last, moment)
    },
    /**
     * Numbers the next write to D1. Numbers rise over restarts too, because a crash may leave a write on its way.
     * This costs one row a start, not one a write.
     */
    nextWrite(): number {
      if (lastWrite % WRITES_A_RUN === 0) {
        // Minutes since 1970 are the least: an object that lost its storage still gets ahead of what D1 remembers.
        const raise = 'UPDATE counters SET run = max(run + 1, ?) RETURNING run'
        lastWrite = sql.number(raise, Math.floor(Date.now() / MINUTE_MS)) * WRITES_A_RUN
      }
      return ++lastWrite
    },
  }
}

export type Clock = ReturnType<typeof clockOn>
