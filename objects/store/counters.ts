import type { EventStatus } from '../../shared/event'
import {
  emptyHistogram,
  type Happening,
  type Histogram,
  observe,
  type ShardMetrics,
} from '../../shared/metrics'
import {
  type CountsBySource,
  decodeSources,
  encodeSources,
  sumOfSources,
} from '../../shared/source-counts'
import {
  type CountsBySubscription,
  decodeSubscriptions,
  encodeSubscriptions,
  sumOfSubscriptions,
} from '../../shared/subscription-counts'
import { minuteStartsOn } from './minute-starts'
import type { Sql } from './sql'

/** Says how far counters move, and what happened, for the sums that only rise. */
export interface CountChanges extends Partial<
  Record<EventStatus | 'queue_depth' | 'letters', number>
> {
  happened?: Partial<Record<Happening, number>>
  /** What came in by each source. */
  sources?: CountsBySource
  /** What was done in each subscription. */
  subscriptions?: CountsBySubscription
  /** For each event stored, the seconds from accepting to storing it. */
  storeSeconds?: number[]
  /** The moment of the last write to D1. */
  processedAt?: number
}

/** Moves one event from a status to another in `changes`. */
export function addMove(changes: CountChanges, from: EventStatus, to: EventStatus): void {
  if (from === to) return
  changes[from] = (changes[from] ?? 0) - 1
  changes[to] = (changes[to] ?? 0) + 1
  if (to === 'pending') return
  changes.happened ??= {}
  changes.happened[to] = (changes.happened[to] ?? 0) + 1
}

/** Adds two changes up. */
export function sumOf(one: CountChanges, two: CountChanges): CountChanges {
  const add = (a = 0, b = 0) => a + b
  const [a, b] = [one.happened ?? {}, two.happened ?? {}]
  const processedAt = two.processedAt ?? one.processedAt
  const sources = sumOfSources([one.sources ?? new Map(), two.sources ?? new Map()])
  const subscriptions = sumOfSubscriptions([
    one.subscriptions ?? new Map(),
    two.subscriptions ?? new Map(),
  ])
  const storeSeconds = [...(one.storeSeconds ?? []), ...(two.storeSeconds ?? [])]
  return {
    pending: add(one.pending, two.pending),
    delivered: add(one.delivered, two.delivered),
    failed: add(one.failed, two.failed),
    queue_depth: add(one.queue_depth, two.queue_depth),
    letters: add(one.letters, two.letters),
    happened: {
      accepted: add(a.accepted, b.accepted),
      stored: add(a.stored, b.stored),
      delivered: add(a.delivered, b.delivered),
      failed: add(a.failed, b.failed),
    },
    ...(sources.size > 0 && { sources }),
    ...(subscriptions.size > 0 && { subscriptions }),
    ...(storeSeconds.length > 0 && { storeSeconds }),
    ...(processedAt !== undefined && { processedAt }),
  }
}

/** Keeps one row of counts, and how minutes and hours began. The counts change together with what they count. */
export function countersOn(sql: Sql) {
  const minuteStarts = minuteStartsOn(sql)
  const latency = (): Histogram => {
    const [row] = sql.rows<{ latency: string | null }>('SELECT latency FROM counters')
    return row?.latency ? JSON.parse(row.latency) : emptyHistogram()
  }
  const sources = (): CountsBySource => {
    const [row] = sql.rows<{ sources: string | null }>('SELECT sources FROM counters')
    return decodeSources(row?.sources ?? null)
  }
  const subscriptions = (): CountsBySubscription => {
    const statement = 'SELECT subscriptions FROM counters'
    const [row] = sql.rows<{ subscriptions: string | null }>(statement)
    return decodeSubscriptions(row?.subscriptions ?? null)
  }
  return {
    subscriptions,
    /**
     * Moves the counters and keeps the clock. The caller runs it in the transaction of what it counts.
     * It writes one row, and one more when a minute begins.
     */
    count(changes: CountChanges, clock: number): void {
      const { pending = 0, delivered = 0, failed = 0, queue_depth = 0, letters = 0 } = changes
      const { happened = {} } = changes
      const observed = changes.storeSeconds && observe(latency(), changes.storeSeconds)
      const bySource = changes.sources && sumOfSources([sources(), changes.sources])
      const bySubscription =
        changes.subscriptions && sumOfSubscriptions([subscriptions(), changes.subscriptions])
      minuteStarts.begin()
      sql.run(
        `UPDATE counters SET clock = ?1, clock_seen = ?1,
           pending = pending + ?, delivered = delivered + ?, failed = failed + ?,
           queue_depth = queue_depth + ?, letters = letters + ?, accepted_total = accepted_total + ?,
           stored_total = stored_total + ?, delivered_total = delivered_total + ?, failed_total = failed_total + ?,
           last_processed_at = coalesce(?, last_processed_at), latency = coalesce(?, latency),
           sources = coalesce(?, sources), subscriptions = coalesce(?, subscriptions)`,
        clock,
        pending,
        delivered,
        failed,
        queue_depth,
        letters,
        happened.accepted ?? 0,
        happened.stored ?? 0,
        happened.delivered ?? 0,
        happened.failed ?? 0,
        changes.processedAt ?? null,
        observed ? JSON.stringify(observed) : null,
        bySource ? encodeSources(bySource) : null,
        bySubscription ? encodeSubscriptions(bySubscription) : null,
      )
    },
    byStatus(): Record<EventStatus, number> {
      const [counts] = sql.rows<Record<EventStatus, number>>(
        'SELECT pending, delivered, failed FROM counters',
      )
      if (!counts) throw new Error('the counters are missing')
      return counts
    },
    /** @param hours of how many hours to count what happened in them */
    metrics(hours = 0): Omit<ShardMetrics, 'subscriptions'> {
      type Columns = Omit<
        ShardMetrics,
        'minutes' | 'hours' | 'latency' | 'sources' | 'subscriptions'
      >
      const [counters] = sql.rows<Columns>(
        `SELECT pending, delivered, failed, queue_depth, letters, accepted_total, stored_total, delivered_total,
           failed_total, started_at, last_processed_at, (
           SELECT min(since) FROM (
             SELECT min(seq) AS since FROM journal UNION ALL
             -- An event that D1 has waits since its change or deletion, any other since it was accepted.
             SELECT min(coalesce(CASE WHEN payload IS NULL THEN updated_at ELSE created_at END, deletes))
             FROM parked LEFT JOIN events USING (event_id) WHERE retry_at IS NOT NULL)
         ) AS oldest_unstored_at FROM counters`,
      )
      if (!counters) throw new Error('the counters are missing')
      const minutes = minuteStarts.minutes()
      const ofHours = hours > 0 && { hours: minuteStarts.hours(hours) }
      return { ...counters, minutes, ...ofHours, latency: latency(), sources: sources() }
    },
  }
}
