import { type HourCounts, MINUTE_MS, type MinuteCounts } from './chart'
import type { SubscriptionMetrics } from './claim'
import { INBOX, isoTime } from './event'
import { type CountsBySource, NO_COUNTS, refusedBySource, sumOfSources } from './source-counts'

/** The kinds of things that are counted as they happen, in sums that only rise. */
export type Happening = 'accepted' | 'stored' | 'delivered' | 'failed'

/** Counts observations by upper bound (see BUCKETS; the last count has all above), and sums them. */
export interface Histogram {
  counts: number[]
  sum: number
}

/** One shard's counts at one instant. Times are milliseconds since 1970. */
export interface ShardMetrics {
  pending: number
  delivered: number
  failed: number
  queue_depth: number
  /** How many dead letters there are; absent from shards of the version before, which have one a failed event. */
  letters?: number
  accepted_total: number
  stored_total: number
  delivered_total: number
  failed_total: number
  started_at: number
  oldest_unstored_at: number | null
  last_processed_at: number | null
  minutes: MinuteCounts[]
  /** Of as many hours as were asked for; absent when none were, and from shards of the version before. */
  hours?: HourCounts[]
  /** What came in by each source; absent from shards of the version before. */
  sources?: CountsBySource
  /** Seconds from accepting to storing. */
  latency: Histogram
  /** By the name of the subscription; absent from shards of the version before. */
  subscriptions?: Map<string, SubscriptionMetrics>
}

/** `processing_rate` is the mean of this many full minutes. */
const RATE_MINUTES = 5
/** Upper bounds in seconds. They reach from a drain at once to an outage of minutes. */
export const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export function emptyHistogram(): Histogram {
  return { counts: Array.from({ length: BUCKETS.length + 1 }, () => 0), sum: 0 }
}

export function observe({ counts, sum }: Histogram, seconds: number[]): Histogram {
  const raised = [...counts]
  for (const value of seconds) {
    const bucket = BUCKETS.findIndex((bound) => value <= bound)
    const at = bucket === -1 ? BUCKETS.length : bucket
    raised[at] = (raised[at] ?? 0) + 1
  }
  return { counts: raised, sum: seconds.reduce((total, value) => total + value, sum) }
}

/** Sums up the numbers of `GET /metrics`, for one shard or for all together. */
export function summarise(shards: ShardMetrics[], now: number) {
  const sum = (pick: (shard: ShardMetrics) => number) =>
    shards.reduce((total, shard) => total + pick(shard), 0)
  const pending = sum((shard) => shard.pending)
  const delivered = sum((shard) => shard.delivered)
  const failed = sum((shard) => shard.failed)
  const oldest = Math.min(...shards.map((shard) => shard.oldest_unstored_at ?? Infinity))
  const last = Math.max(...shards.map((shard) => shard.last_processed_at ?? -Infinity))
  return {
    total: pending + delivered + failed,
    pending,
    delivered,
    failed,
    queue_depth: sum((shard) => shard.queue_depth),
    dlq_count: sum((shard) => shard.letters ?? shard.failed),
    last_processed_at: Number.isFinite(last) ? isoTime(last) : null,
    processing_rate: processingRate(shards, now),
    oldest_unstored_seconds: Number.isFinite(oldest) ? Math.max(0, (now - oldest) / 1000) : 0,
  }
}

/**
 * Says how many events are stored a minute: the mean of the last RATE_MINUTES full minutes.
 * A younger inbox takes the full minutes since its first shard started and, before the first one is full, what was
 * stored so far. After RATE_MINUTES without a stored event it is 0.
 */
function processingRate(shards: ShardMetrics[], now: number): number {
  const present = Math.floor(now / MINUTE_MS)
  const started = Math.floor(Math.min(...shards.map((shard) => shard.started_at)) / MINUTE_MS)
  const full = Math.min(RATE_MINUTES, present - started)
  const from = full > 0 ? present - full : present
  const to = full > 0 ? present - 1 : present
  const counted = shards
    .flatMap((shard) => shard.minutes)
    .filter(({ minute }) => minute >= from && minute <= to)
  return counted.reduce((sum, { stored }) => sum + stored, 0) / Math.max(1, full)
}

/** What came in by each source: those of the configuration first, then those that are not in it any more. */
export function sourcesIn(
  shards: ShardMetrics[],
  names: Iterable<string>,
  untold: ReadonlyMap<string, number>,
) {
  const refused = refusedBySource(Object.fromEntries(untold))
  const sum = sumOfSources([...shards.map(({ sources }) => sources ?? new Map()), refused])
  const found = new Map([...names].map((name) => [name, sum.get(name) ?? NO_COUNTS] as const))
  return [...new Map([...found, ...sum])].map(([name, { last_at, ...counts }]) => ({
    name,
    ...counts,
    last_at: last_at === null ? null : isoTime(last_at),
  }))
}

/**
 * Counts each subscription: those of the configuration, `inbox`, and others for as long as they have events.
 * `oldest_ready_seconds` is how long the first event has waited that can be claimed; 0 when there is none.
 */
export function subscriptionsIn(
  shards: Pick<ShardMetrics, 'subscriptions'>[],
  configured: Iterable<string>,
  now: number,
) {
  const all = shards.flatMap(({ subscriptions }) => [...(subscriptions ?? [])])
  const held = all.filter(([, { open }]) => open > 0).map(([name]) => name)
  return [...new Set([...configured, INBOX, ...held])].map((name) => {
    const own = all.filter(([each]) => each === name).map(([, counts]) => counts)
    const sum = (what: Exclude<keyof SubscriptionMetrics, 'oldest_ready_at'>) =>
      own.reduce((total, counts) => total + counts[what], 0)
    const [open, leased, scheduled] = [sum('open'), sum('leased'), sum('scheduled')]
    const oldest = Math.min(...own.map(({ oldest_ready_at }) => oldest_ready_at ?? Infinity))
    return {
      name,
      open,
      ready: open - leased - scheduled,
      leased,
      scheduled,
      oldest_ready_seconds: Number.isFinite(oldest) ? Math.max(0, (now - oldest) / 1000) : 0,
      claimed: sum('claimed'),
      settled: sum('settled'),
      expired: sum('expired'),
      failed: sum('failed'),
    }
  })
}
