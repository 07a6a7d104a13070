import { MINUTE_MS } from '../../shared/metrics'
import type { Sql } from './sql'

/** Writes of one run that are told apart before it takes another number. */
const WRITES_A_RUN = 2 ** 24

/** The two orders a shard keeps: of its commits, and of its writes to D1. Both only rise, whatever the wall clock does. */
export function clockOn(sql: Sql) {
  /** Milliseconds since 1970, or more. Counters keep it with every commit. */
  let last = sql.number('SELECT clock FROM counters')
  let lastWrite = 0
  return {
    /** Gives a later moment than any before, so that it orders commits even when the wall clock stands still. */
    nextTimestamp(): number {
      return (last = Math.max(Date.now(), last + 1))
    },
    /** The last moment given. */
    now: () => last,
    /** Makes all later moments later than this one of another shard. */
    advanceClockPast(moment: number): void {
      last = Math.max(last, moment)
    },
    /** Orders writes to D1, over restarts too: a crash may leave one on its way. Costs a row a start, not a write. */
    nextWrite(): number {
      if (lastWrite % WRITES_A_RUN === 0) {
        // By the clock, should this object ever have to begin anew beside a D1 that remembers it.
        const raise = 'UPDATE counters SET run = max(run + 1, ?) RETURNING run'
        lastWrite = sql.number(raise, Math.floor(Date.now() / MINUTE_MS)) * WRITES_A_RUN
      }
      return ++lastWrite
    },
  }
}

export type Clock = ReturnType<typeof clockOn>
