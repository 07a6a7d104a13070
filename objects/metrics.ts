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
