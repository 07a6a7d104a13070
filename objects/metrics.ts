import { type EventStatus, STATUSES } from './event'

/** What one minute of a shard saw. `minute` is minutes since 1970. */
export interface MinuteCounts {
  minute: number
  accepted: number
  stored: number
  delivered: number
  failed: number
}

/** One shard's counts at one instant. Times are milliseconds since 1970. */
export interface ShardMetrics {
  pending: number
  delivered: number
  failed: number
  queue_depth: number
  oldest_unstored_at: number | null
  last_processed_at: number | null
  minutes: MinuteCounts[]
}

export const MINUTE_MS = 60_000

/** The numbers of `GET /metrics`, for all shards together. */
export function summarise(shards: ShardMetrics[], now: number) {
  const sum = (pick: (shard: ShardMetrics) => number) =>
    shards.reduce((total, shard) => total + pick(shard), 0)
  const pending = sum((shard) => shard.pending)
  const delivered = sum((shard) => shard.delivered)
  const failed = sum((shard) => shard.failed)
  const oldest = Math.min(...shards.map((shard) => shard.oldest_unstored_at ?? Infinity))
  const last = Math.max(...shards.map((shard) => shard.last_processed_at ?? -Infinity))
  const lastFullMinute = Math.floor(now / MINUTE_MS) - 1
  return {
    total: pending + delivered + failed,
    pending,
    delivered,
    failed,
    queue_depth: sum((shard) => shard.queue_depth),
    dlq_count: failed,
    last_processed_at: Number.isFinite(last) ? new Date(last).toISOString() : null,
    /** Events stored during the last full minute. */
    processing_rate: sum(
      (shard) => shard.minutes.find(({ minute }) => minute === lastFullMinute)?.stored ?? 0,
    ),
    oldest_unstored_seconds: Number.isFinite(oldest) ? Math.max(0, (now - oldest) / 1000) : 0,
  }
}

/** A shard's counters beside what its rows come to. */
export interface Recount {
  shard: string
  counters: Counts
  rows: Counts
  /** Events whose body D1 refused, by status: D1 cannot show them. */
  refused: Partial<Record<EventStatus, number>>
}

export type Counts = Record<EventStatus | 'queue_depth' | 'dead_letters', number>

export interface Difference {
  where: string
  what: string
  expected: number
  found: number
}

/** Where counters, rows and D1 do not agree. Under load D1 is behind for a moment, so ask again before you worry. */
export function findDifferences(
  shards: Recount[],
  d1: Partial<Record<EventStatus, number>>,
): Difference[] {
  const inShards = shards.flatMap(({ shard, counters, rows }) => {
    const names = Object.keys(rows) as (keyof Counts)[]
    return names.map((what) => ({
      where: shard,
      what,
      expected: rows[what],
      found: counters[what],
    }))
  })
  const inD1 = STATUSES.map((what) => {
    const expected = shards.reduce(
      (sum, { rows, refused }) => sum + rows[what] - (refused[what] ?? 0),
      0,
    )
    return { where: 'D1', what, expected, found: d1[what] ?? 0 }
  })
  return [...inShards, ...inD1].filter(({ expected, found }) => expected !== found)
}
