import {
  BUCKETS,
  type ShardMetrics,
  type sourcesIn,
  type subscriptionsIn,
  summarise,
} from '../shared/metrics'
import { parseMediaType } from './http/media-type'

/**
 * This module writes metrics in the Prometheus exposition formats: text 0.0.4 and OpenMetrics 1.0.
 * OpenMetrics declares a counter without its `_total`, and ends with EOF.
 */

export type MetricsFormat = 'json' | 'prometheus' | 'openmetrics'

export const CONTENT_TYPES = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const

const MEDIA_TYPES: Record<string, MetricsFormat> = {
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'text/plain': 'prometheus',
  'text/*': 'prometheus',
  'application/openmetrics-text': 'openmetrics',
}

/**
 * Picks the format that an Accept header prefers (RFC 9110 §12.5.1).
 * Of equal ones it takes the first, and JSON when the header names none that we have.
 */
export function preferredFormat(accept: string | null): MetricsFormat {
  const offers = (accept ?? '*/*').split(',').map((part) => {
    const { type, parameters } = parseMediaType(part)
    return {
      format: Object.hasOwn(MEDIA_TYPES, type) ? MEDIA_TYPES[type] : undefined,
      quality: Number(parameters.get('q') ?? 1),
    }
  })
  const known = offers.filter((offer) => offer.format && offer.quality > 0)
  return known.toSorted((a, b) => b.quality - a.quality)[0]?.format ?? 'json'
}

interface Sample {
  labels?: Record<string, string>
  /** What follows the metric's name, such as `_bucket`. */
  suffix?: string
  value: number
}

const GAUGES = [
  ['open', 'Events that a subscription has not settled for good.'],
  ['ready', 'Events that consumers of a subscription can claim now.'],
  ['leased', 'Events that consumers of a subscription hold.'],
  ['scheduled', 'Events that consumers of a subscription can claim later.'],
  ['oldest_ready_seconds', 'How long the first event has waited that can be claimed.'],
] as const
const COUNTERS = [
  ['claimed', 'Events given to consumers of a subscription.'],
  ['settled', 'Answers of consumers to what they held.'],
  ['expired', 'Events whose lease ended without an answer.'],
  ['failed', 'Events that a subscription has given up.'],
] as const

export function metricsText(
  format: 'prometheus' | 'openmetrics',
  shards: ShardMetrics[],
  sources: ReturnType<typeof sourcesIn>,
  subscriptions: ReturnType<typeof subscriptionsIn>,
  version: string,
  now: number,
): string {
  const all = summarise(shards, now)
  const sum = (pick: (shard: ShardMetrics) => number) =>
    shards.reduce((total, shard) => total + pick(shard), 0)
  const lines: string[] = []
  const group = (
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    samples: Sample[],
  ) => {
    const family = `event_inbox_${name}`
    const total = type === 'counter' ? '_total' : ''
    const declared = format === 'openmetrics' ? family : `${family}${total}`
    lines.push(`# HELP ${declared} ${help}`, `# TYPE ${declared} ${type}`)
    for (const { labels = {}, suffix = total, value } of samples) {
      const inner = Object.entries(labels)
        .map(([label, text]) => `${label}="${text}"`)
        .join(',')
      lines.push(`${family}${suffix}${inner && `{${inner}}`} ${value}`)
    }
  }
  const one = (value: number): Sample[] => [{ value }]
  group(
    'counter',
    'events_accepted',
    'Events accepted since the first start.',
    one(sum((shard) => shard.accepted_total)),
  )
  group(
    'counter',
    'events_stored',
    'Events written to D1.',
    one(sum((shard) => shard.stored_total)),
  )
  group(
    'counter',
    'events_delivered',
    'Events acknowledged.',
    one(sum((shard) => shard.delivered_total)),
  )
  group(
    'counter',
    'events_failed',
    'Events dead-lettered.',
    one(sum((shard) => shard.failed_total)),
  )
  const statuses = (['pending', 'delivered', 'failed'] as const).map((status) => ({
    labels: { status },
    value: all[status],
  }))
  group('gauge', 'events', 'Events held, by status.', statuses)
  group('gauge', 'queue_depth', 'Events accepted and not yet in D1.', one(all.queue_depth))
  group(
    'gauge',
    'dead_letters',
    'Dead letters that wait to be redriven or deleted.',
    one(all.dlq_count),
  )
  group(
    'gauge',
    'oldest_unstored_seconds',
    'How long D1 has been waiting for the oldest event, change or deletion.',
    one(all.oldest_unstored_seconds),
  )
  group(
    'histogram',
    'store_duration_seconds',
    'Time from accepting an event to its write to D1.',
    histogram(shards),
  )
  const bySource = (what: 'accepted' | 'duplicates' | 'refused') =>
    sources.map((source) => ({ labels: { source: source.name }, value: source[what] }))
  group('counter', 'source_accepted', 'Events accepted from a source.', bySource('accepted'))
  group(
    'counter',
    'source_duplicates',
    'Deliveries of a source whose event was there already.',
    bySource('duplicates'),
  )
  group(
    'counter',
    'source_refused',
    'Deliveries to a source that were not proven to be of it.',
    bySource('refused'),
  )
  const bySubscription = (what: Exclude<keyof (typeof subscriptions)[number], 'name'>) =>
    subscriptions.map(({ name, ...counts }) => ({
      labels: { subscription: name },
      value: counts[what],
    }))
  for (const [what, help] of GAUGES)
    group('gauge', `subscription_${what}`, help, bySubscription(what))
  for (const [what, help] of COUNTERS)
    group('counter', `subscription_${what}`, help, bySubscription(what))
  group('gauge', 'build_info', 'The version that runs, as a label.', [
    { labels: { version }, value: 1 },
  ])
  return `${lines.join('\n')}\n${format === 'openmetrics' ? '# EOF\n' : ''}`
}

/** Sums up the histograms of all shards. Buckets are cumulative, as both formats want them. */
function histogram(shards: ShardMetrics[]): Sample[] {
  let count = 0
  const buckets = [...BUCKETS, Infinity].map((bound, index) => {
    count += shards.reduce((total, { latency }) => total + (latency.counts[index] ?? 0), 0)
    return {
      suffix: '_bucket',
      labels: { le: bound === Infinity ? '+Inf' : String(bound) },
      value: count,
    }
  })
  const sum = shards.reduce((total, { latency }) => total + latency.sum, 0)
  return [...buckets, { suffix: '_sum', value: sum }, { suffix: '_count', value: count }]
}
