import { type EventStatus, isoTime, STATUSES } from './event'

/**
 * This module compares what the shards hold with what D1 holds, although neither stands still. The shards are counted,
 * then D1, then the shards again, and only what did not move in between is compared. No I/O.
 */

export type StatusCounts = Record<EventStatus, number>

/** Counts the events of one period of `created_at`, by status. */
export interface PeriodCounts extends StatusCounts {
  /** An hour such as `2026-11-21T05`, or a day such as `2026-11-20`. Its times in ISO 8601 begin so. */
  period: string
  /** The newest `updated_at` of these events. It rises with each change of status. */
  latest: number
}

/** What else a shard knows at the instant when a count of it begins or ends. */
export interface Instant {
  /** A moment later than the `created_at` of every event it has accepted. */
  clock: number
  /** How many events it has ever accepted. */
  accepted: number
  /** The periods of which D1 has not been told everything; null means any period. */
  behind: string[] | null
  /** Events that D1 rejected for the last time. It cannot show them, so they are left out of the comparison. */
  refused: (StatusCounts & { period: string })[]
}

/** One count of a shard. It is made in steps between two instants. */
export interface ShardCount {
  begun: Instant
  counts: Map<string, PeriodCounts>
  ended: Instant
}

export interface Difference {
  where: string
  what: string
  expected: number
  found: number
  period?: string
}

/** The differences found in a period, or why it could not be compared. */
export type Verdict = Difference[] | 'behind' | 'moving'

/** So many dead letters are compared at once. */
export const LETTERS_A_STEP = 1_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
/** Older events are counted by the day: years of them make few periods, and few of them still change. */
const HOURS_FOR_MS = 2 * DAY_MS

/** Returns the moment, the start of a day, from which on a period is an hour and not a day. */
export function hoursFrom(now: number): number {
  return Math.floor((now - HOURS_FOR_MS) / DAY_MS) * DAY_MS
}

export function periodOf(at: number, hours: number): string {
  return isoTime(at).slice(0, at < hours ? 10 : 13)
}

/**
 * Judges each period from `since` on. No event is accepted into a period that is over, so the period stood still if it
 * has as many events as before and none of them was changed since. A period is `behind`, and not compared, when D1 had
 * yet to be told of something in it before it was asked.
 */
export function judge(
  before: ShardCount[],
  d1: Map<string, StatusCounts>,
  after: ShardCount[],
  hours: number,
  since: string,
): Map<string, Verdict> {
  const pairs = before.map((first, index) => pairOf(first, after[index] ?? first, hours))
  const periods = new Set([...pairs.flatMap((pair) => [...pair.periods]), ...d1.keys()])
  const verdicts = new Map<string, Verdict>()
  for (const period of [...periods].filter((each) => each >= since).toSorted()) {
    if (pairs.some(({ isBehind }) => isBehind(period))) verdicts.set(period, 'behind')
    else if (pairs.some(({ hasMoved }) => hasMoved(period))) verdicts.set(period, 'moving')
    else {
      const found = d1.get(period)
      const differences = STATUSES.map((what) => {
        const expected = pairs.reduce((sum, pair) => sum + pair.expected(period, what), 0)
        return { where: 'D1', what, expected, found: found?.[what] ?? 0, period }
      })
      verdicts.set(
        period,
        differences.filter(({ expected, found: inD1 }) => expected !== inD1),
      )
    }
  }
  return verdicts
}

/** Compares two counts of one shard. */
function pairOf(first: ShardCount, second: ShardCount, hours: number) {
  const { behind, refused } = first.ended
  const [one, two] = [first.counts, second.counts]
  const without = new Map(refused.map((each) => [each.period, each]))
  const accepts = second.ended.accepted !== first.begun.accepted
  const acceptsFrom = periodOf(first.begun.clock, hours)
  return {
    periods: [...one.keys(), ...two.keys(), ...(behind ?? [])],
    isBehind: (period: string) => behind === null || behind.includes(period),
    hasMoved(period: string) {
      if (accepts && period >= acceptsFrom) return true
      const [a, b] = [one.get(period), two.get(period)]
      return totalOf(a) !== totalOf(b) || a?.latest !== b?.latest
    },
    // Taken from the second count: the first one took its time, and what moved during it shows only in the second.
    expected: (period: string, what: EventStatus) =>
      (two.get(period)?.[what] ?? 0) - (without.get(period)?.[what] ?? 0),
  }
}

function totalOf(counts: StatusCounts | undefined): number {
  return STATUSES.reduce((sum, status) => sum + (counts?.[status] ?? 0), 0)
}

/** Adds the counts of one more step to `counts`. */
export function addCounts(counts: Map<string, PeriodCounts>, step: PeriodCounts[]): void {
  for (const found of step) {
    const { period } = found
    const sum = counts.get(period) ?? { period, pending: 0, delivered: 0, failed: 0, latest: 0 }
    for (const status of STATUSES) sum[status] += found[status]
    sum.latest = Math.max(sum.latest, found.latest)
    counts.set(period, sum)
  }
}

/** Cuts all of time from `since` on into ranges of about `most` events; a period is never cut. */
export function rangesOf(
  counts: Map<string, PeriodCounts>[],
  most: number,
  since: string,
): { from: string; to: string }[] {
  const totals = new Map<string, number>()
  for (const each of counts.flatMap((periods) => [...periods.values()]))
    totals.set(each.period, (totals.get(each.period) ?? 0) + totalOf(each))
  const ranges = [{ from: since, to: LAST }]
  let events = 0
  for (const [period, total] of [...totals].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (period < since) continue
    const open = ranges.at(-1)
    if (events > 0 && events + total > most && open) {
      open.to = period
      ranges.push({ from: period, to: LAST })
      events = 0
    }
    events += total
  }
  return ranges
}

/** Sorts after every period. */
const LAST = '~'
