import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test as plain } from 'vitest'
import { MINUTE_MS, perMinute } from '../../shared/chart'
import {
  BUCKETS,
  emptyHistogram,
  observe,
  sourcesIn,
  subscriptionsIn,
  type ShardMetrics,
  summarise,
} from '../../shared/metrics'
import { metricsText, preferredFormat } from '../../worker/metrics-text'
import { MIGRATIONS } from '../../objects/store/tables'
import { storageFolder } from '../support/server-process'
import { SHARDS, test } from '../support/world'

const START = Date.parse('2026-01-01T00:00:00Z')
const minuteOf = (time: number) => Math.floor(time / MINUTE_MS)

function shard(changes: Partial<ShardMetrics> = {}): ShardMetrics {
  return {
    pending: 0,
    delivered: 0,
    failed: 0,
    queue_depth: 0,
    accepted_total: 0,
    stored_total: 0,
    delivered_total: 0,
    failed_total: 0,
    started_at: START,
    oldest_unstored_at: null,
    last_processed_at: null,
    minutes: [],
    latency: emptyHistogram(),
    ...changes,
  }
}

const stored = (minute: number, count: number) => ({
  minute: minuteOf(START) + minute,
  accepted: 0,
  stored: count,
  delivered: 0,
  failed: 0,
})

describe('processing_rate', () => {
  const rateAt = (minute: number, ...shards: ShardMetrics[]) =>
    summarise(shards, START + minute * MINUTE_MS + 30_000).processing_rate

  plain(
    'is what was stored so far in the very first minute, then the mean of the full minutes, five at most',
    () => {
      const busy = shard({
        minutes: [
          stored(0, 60),
          stored(1, 120),
          stored(2, 30),
          stored(3, 90),
          stored(4, 90),
          stored(5, 90),
          stored(6, 600),
        ],
      })
      expect([0, 1, 2, 3, 5, 6].map((minute) => rateAt(minute, busy))).toEqual([
        60, 60, 90, 70, 78, 84,
      ])
    },
  )

  plain('falls to 0 when nothing was stored for five full minutes, and sums the shards', () => {
    const once_ = shard({ minutes: [stored(0, 500)] })
    expect([4, 5, 6].map((minute) => rateAt(minute, once_))).toEqual([125, 100, 0])
    expect(
      rateAt(5, once_, shard({ started_at: START + 4 * MINUTE_MS, minutes: [stored(4, 250)] })),
    ).toBe(150)
  })
})

describe('the summary', () => {
  plain('sums the shards and takes the oldest and the last moment', () => {
    const shards = [
      shard({
        pending: 3,
        delivered: 2,
        failed: 1,
        queue_depth: 2,
        oldest_unstored_at: START + 1_000,
        last_processed_at: START,
      }),
      shard({ pending: 10, oldest_unstored_at: START + 5_000, last_processed_at: START + 7_000 }),
    ]
    expect(summarise(shards, START + 11_000)).toEqual({
      total: 16,
      pending: 13,
      delivered: 2,
      failed: 1,
      queue_depth: 2,
      dlq_count: 1,
      last_processed_at: '2026-01-01T00:00:07.000Z',
      processing_rate: 0,
      oldest_unstored_seconds: 10,
    })
    expect(summarise([shard()], START)).toMatchObject({
      last_processed_at: null,
      oldest_unstored_seconds: 0,
    })
  })

  plain('has a place for each of the last 60 minutes and the present one', () => {
    const minutes = perMinute(
      [shard({ minutes: [stored(0, 5), stored(60, 7)] }), shard({ minutes: [stored(60, 1)] })],
      START + 60 * MINUTE_MS,
    )
    expect(minutes).toHaveLength(61)
    expect(minutes[0]).toEqual({
      minute: '2026-01-01T00:00:00.000Z',
      accepted: 0,
      stored: 5,
      delivered: 0,
      failed: 0,
    })
    expect(minutes[60]).toMatchObject({ minute: '2026-01-01T01:00:00.000Z', stored: 8 })
    expect(minutes.slice(1, 60).every((each) => each.stored === 0)).toBe(true)
  })

  plain('puts each observation into the first bucket that holds it', () => {
    const { counts, sum } = observe(observe(emptyHistogram(), [0.01, 0.011]), [301, 1])
    expect(sum).toBeCloseTo(302.021)
    expect(
      counts.map((count, index) => [count, BUCKETS[index]]).filter(([count]) => count),
    ).toEqual([
      [1, 0.01],
      [1, 0.025],
      [1, 1],
      [1, undefined],
    ])
  })
})

describe('the format', () => {
  plain('is what Accept likes best', () => {
    const cases = [
      [null, 'json'],
      ['*/*', 'json'],
      ['text/plain', 'prometheus'],
      ['text/html, text/*;q=0.5', 'prometheus'],
      ['application/json, text/plain, */*', 'json'],
      [
        'text/plain;version=0.0.4;q=0.3,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2',
        'openmetrics',
      ],
      ['image/png', 'json'],
      ['constructor, __proto__', 'json'],
      ['text/plain;q=0, */*;q=0.1', 'json'],
    ] as const
    for (const [accept, format] of cases)
      expect([accept, preferredFormat(accept)]).toEqual([accept, format])
  })

  plain(
    'names counters with _total in text, without it in OpenMetrics, and puts a metric’s lines together',
    () => {
      const shards = [
        shard({ accepted_total: 5, latency: observe(emptyHistogram(), [0.02, 7]) }),
        shard({ accepted_total: 2, latency: observe(emptyHistogram(), [0.02]) }),
      ]
      const counts = { accepted: 3, duplicates: 2, refused: 1, last_event_id: 'a', last_at: START }
      const counted = [shard({ sources: new Map([['shop', counts]]) }), shard({})]
      const sources = sourcesIn(counted, ['shop', 'quiet'], new Map([['quiet', 4]]))
      const billing = { open: 5, claimed: 9, settled: 7, expired: 1, failed: 2 }
      const instant = { leased: 2, scheduled: 1, oldest_ready_at: START - 1_500 }
      const subscriptions = subscriptionsIn(
        [
          shard({ subscriptions: new Map([['billing', { ...billing, ...instant }]]) }),
          shard({ subscriptions: new Map([['gone', { ...billing, ...instant, open: 0 }]]) }),
        ],
        ['quiet'],
        START,
      )
      expect(subscriptions.map(({ name }) => name)).toEqual(['quiet', 'inbox', 'billing'])
      const text = metricsText('prometheus', shards, sources, subscriptions, '1.2.3', START)
      expect(text).toContain('event_inbox_subscription_ready{subscription="billing"} 2\n')
      expect(text).toContain(
        'event_inbox_subscription_oldest_ready_seconds{subscription="billing"} 1.5\n',
      )
      expect(text).toContain('event_inbox_subscription_claimed_total{subscription="billing"} 9\n')
      expect(text).toContain('event_inbox_subscription_open{subscription="quiet"} 0\n')
      expect(text).toContain(
        '# TYPE event_inbox_events_accepted_total counter\nevent_inbox_events_accepted_total 7\n',
      )
      expect(text).toContain('event_inbox_store_duration_seconds_bucket{le="0.025"} 2\n')
      expect(text).toContain('event_inbox_store_duration_seconds_bucket{le="+Inf"} 3\n')
      expect(text).toContain('event_inbox_source_accepted_total{source="shop"} 3\n')
      expect(text).toContain('event_inbox_source_refused_total{source="quiet"} 4\n')
      expect(text).toContain('event_inbox_build_info{version="1.2.3"} 1\n')
      const open = metricsText('openmetrics', shards, sources, subscriptions, '1.2.3', START)
      expect(open).toContain(
        '# TYPE event_inbox_events_accepted counter\nevent_inbox_events_accepted_total 7\n',
      )
      expect(open.endsWith('# EOF\n')).toBe(true)
    },
  )
})

test('GET /metrics counts what happened, per minute and per shard, also what is gone since', async ({
  inbox,
}) => {
  const startedAt = performance.now()
  for (const id of ['m1', 'm2', 'm3']) await inbox.postId(id)
  // The last one is known by then, also in the shard that takes the one before.
  const events = ['m1', 'm2', 'm3', 'm4', 'm4'].map((event_id) => ({ event_id, payload: {} }))
  expect((await inbox.call('POST', '/events', events)).status).toBe(207)
  await inbox.ack('m1')
  for (let n = 0; n < 3; n++) await inbox.nack('m2', 'no')
  await inbox.call('DELETE', '/inbox/m3')
  await inbox.drained()
  const { per_minute, shards = [] } = await inbox.client.metrics({ detail: 'shards' })
  expect(per_minute).toHaveLength(61)
  const sums = (what: 'accepted' | 'stored' | 'delivered' | 'failed') =>
    per_minute.reduce((sum, each) => sum + each[what], 0)
  expect([sums('accepted'), sums('delivered'), sums('failed')]).toEqual([4, 1, 1])
  expect(sums('stored')).toBeGreaterThanOrEqual(3)
  expect(shards.map(({ shard: name }) => name)).toEqual(
    Array.from({ length: SHARDS }, (_, index) => `shard-${index}`),
  )
  expect(shards.reduce((sum, { total }) => sum + total, 0)).toBe(3)
  const { text } = await inbox.call('GET', '/metrics', undefined, { Accept: 'text/plain' })
  expect(text).toContain('event_inbox_events_accepted_total 4\n')
  const sum = Number(/event_inbox_store_duration_seconds_sum (.*)/.exec(text)?.[1])
  expect(sum).toBeGreaterThan(0)
  expect(sum).toBeLessThan((4 * (performance.now() - startedAt)) / 1000)
  expect(text).toContain('event_inbox_events{status="delivered"} 1\n')
  expect((await inbox.get('/metrics?format=xml')).body.errors).toMatchObject([
    { parameter: 'format' },
  ])
})

// Debian's package "prometheus"; CI installs it.
const installed = spawnSync('promtool', ['--version']).status === 0
describe.skipIf(!installed && !process.env.CI)('Prometheus', () => {
  test('finds nothing to complain of', async ({ inbox }) => {
    const { text: input } = await inbox.get('/metrics?format=prometheus')
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input,
      encoding: 'utf8',
    })
    expect([status, stdout, stderr]).toEqual([0, '', ''])
  })

  test('scrapes the inbox with a bearer token, as docs/operating.md shows', async ({ inbox }) => {
    await inbox.postId('scraped')
    const folder = storageFolder()
    const config = `
scrape_configs:
  - job_name: event-inbox
    scrape_interval: 1s
    scheme: http
    authorization: { credentials: dev-token }
    static_configs: [{ targets: ['${inbox.url.host}'] }]`
    writeFileSync(join(folder, 'prometheus.yml'), config)
    const flags = [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:0`,
    ]
    const prometheus = spawn('prometheus', flags, { stdio: ['ignore', 'ignore', 'pipe'] })
    onTestFinished(async () => {
      prometheus.kill('SIGKILL')
      await once(prometheus, 'close')
    })
    let output = ''
    prometheus.stderr.on('data', (text) => (output += text))
    const address = () => /msg="Listening on" address=(\S+)/.exec(output)?.[1]
    await expect.poll(address).toBeDefined()
    const query = async (text: string) => {
      const response = await fetch(
        `http://${address()}/api/v1/query?query=${encodeURIComponent(text)}`,
      ).catch(() => undefined)
      const answer: { data?: { result?: { value: [number, string] }[] } } =
        (await response?.json()) ?? {}
      return answer.data?.result?.map(({ value }) => Number(value[1]))
    }
    const { total } = await inbox.metrics()
    await expect.poll(() => query('sum(event_inbox_events)')).toEqual([total])
    await expect.poll(() => query('up')).toEqual([1])
    expect(await query('event_inbox_store_duration_seconds_count')).toEqual([expect.any(Number)])
  })
})

plain('minutes counted by an older version keep their counts', () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  for (const statements of MIGRATIONS.slice(0, 5)) database.exec(statements)
  database.exec('INSERT INTO minutes VALUES (100, 7, 6, 5, 4), (102, 3, 4, 1, 0)')
  database.exec(
    'UPDATE counters SET accepted_total = 20, stored_total = 19, delivered_total = 8, failed_total = 4',
  )
  for (const statements of MIGRATIONS.slice(5)) database.exec(statements)
  expect(database.prepare('SELECT * FROM minute_starts').all()).toEqual([
    { minute: 100, accepted_total: 10, stored_total: 9, delivered_total: 2, failed_total: 0 },
    { minute: 102, accepted_total: 17, stored_total: 15, delivered_total: 7, failed_total: 4 },
  ])
})
