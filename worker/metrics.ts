import { version } from '../package.json'
import { CHART_HOURS, perHour, perMinute } from '../shared/chart'
import { configurationOf } from '../shared/config'
import { type ShardMetrics, sourcesIn, subscriptionsIn, summarise } from '../shared/metrics'
import { shardName } from '../shared/owners'
import { json, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { readParameters } from './http/parameters'
import { CONTENT_TYPES, metricsText, preferredFormat } from './metrics-text'
import { untoldRefusals } from './refused-deliveries'
import { askAllShards } from './shards'
import { verifyCounts } from './verify'

/**
 * Answers GET /metrics with the sum of the shards' counters, as JSON or in a format of Prometheus.
 * It costs the same whatever the number of events, except with `verify=1`.
 */
export async function getMetrics(request: InboxRequest, env: Env): Promise<Response> {
  const names = ['format', 'detail', 'chart', 'verify']
  const read = readParameters(new URL(request.url).searchParams, names)
  const asked = read.choice('format', ['json', 'prometheus', 'openmetrics'])
  const format = read.text('format') ? asked : preferredFormat(request.headers.get('Accept'))
  const detail = read.choice('detail', ['none', 'shards'])
  const hours = CHART_HOURS[read.choice('chart', ['hour', 'day', 'month'])]
  const verify = read.choice('verify', ['0', '1'])
  read.done()
  const verification = verify === '1' ? await verifyCounts(env) : {}
  const shards = await allMetrics(env, format === 'json' ? hours : 0)
  const at = Date.now()
  // A counter of Prometheus must never fall, so it has only what the shards were told.
  const untold = format === 'json' ? untoldRefusals() : NONE
  const configured = configurationOf(env).subscriptions?.named ?? new Map()
  const subscriptions = subscriptionsIn(shards, configured.keys(), at)
  const sources = sourcesIn(shards, configurationOf(env).sources.named.keys(), untold)
  if (format !== 'json') {
    const headers = { 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept' }
    return new Response(metricsText(format, shards, sources, subscriptions, version, at), {
      headers,
    })
  }
  const byShard =
    detail === 'shards' &&
    shards.map((shard, index) => ({ shard: shardName(index), ...summarise([shard], at) }))
  const data = {
    ...summarise(shards, at),
    per_minute: perMinute(shards, at),
    ...(hours > 0 && { per_hour: perHour(shards, at, hours) }),
    sources,
    subscriptions,
    ...(byShard && { shards: byShard }),
    ...verification,
  }
  return json({ data, timestamp: now() })
}

const NONE: ReadonlyMap<string, number> = new Map()

export async function totals(env: Env) {
  return summarise(await allMetrics(env), Date.now())
}

async function allMetrics(env: Env, hours = 0): Promise<ShardMetrics[]> {
  return askAllShards(env, (shard, count) => shard.metrics(count, hours))
}
