import { expect } from 'vitest'
import type { NewEvent } from '../../shared/event'
import { logged } from '../support/logs'
import { clientOf, type Inbox, test as base } from '../support/world'
import { hmac } from './sources/deliveries'

/** Who an event is for, and from when on, as its shard is told. */

const SUBSCRIPTIONS = JSON.stringify([
  { name: 'pushes', filter: { 'metadata.source': 'github', 'metadata.type': ['push', 'pull_*'] } },
  { name: 'orders', filter: { 'payload.order': ['17', 18], 'metadata.source': '*' } },
  { name: 'paid', filter: { 'payload.state': 'paid' } },
])
const test = base
  .override('main', 'test/support/accepting-worker.ts')
  .override('vars', { SUBSCRIPTIONS })

/** That of the source `github` in .dev.vars. */
const SECRET = 'development-secret'
const NDJSON = { 'Content-Type': 'application/x-ndjson' }
const CLOUD_EVENT = { 'Content-Type': 'application/cloudevents+json' }

/** What the shards were given since that was last asked, by id. */
async function given(inbox: Inbox) {
  const response = await fetch(new URL('/accepted', inbox.url))
  const events: NewEvent[] = await response.json()
  return Object.fromEntries(
    events.map(({ event_id, subscriptions, not_before }) => [
      event_id,
      { ...(subscriptions && { subscriptions }), ...(not_before !== undefined && { not_before }) },
    ]),
  )
}

const push = (inbox: Pick<Inbox, 'url'>, id: string, type = 'push') =>
  fetch(new URL('/in/github', inbox.url), {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'X-GitHub-Event': type,
      'X-GitHub-Delivery': id,
      'X-Hub-Signature-256': `sha256=${hmac(SECRET, '{}')}`,
    },
    body: '{}',
  })

test('an event is for the subscriptions that take it, however it comes in', async ({ inbox }) => {
  const metadata = { source: 'shop' }
  const order = { event_id: 'order', payload: { order: 18, state: 'paid' }, metadata }
  expect((await inbox.post(order)).status).toBe(202)
  const batch = [
    { event_id: 'second', payload: { order: 17 }, metadata },
    { event_id: 'other', payload: { order: 19 }, metadata },
    { event_id: 'without', payload: { order: 17 } },
  ]
  expect((await inbox.call('POST', '/events', batch)).status).toBe(202)
  const line = '{"event_id": "line", "payload": {"state": "paid"}}'
  expect((await inbox.call('POST', '/events', line, NDJSON)).status).toBe(202)
  expect(await given(inbox)).toEqual({
    order: { subscriptions: ['orders', 'paid'] },
    second: { subscriptions: ['orders'] },
    other: {},
    without: {},
    line: { subscriptions: ['paid'] },
  })
  const cloudEvent = { specversion: '1.0', id: '1', source: 'shop', type: 'order' }
  await inbox.call('POST', '/events', { ...cloudEvent, data: { state: 'paid' } }, CLOUD_EVENT)
  await inbox.post({ state: 'paid' }, { 'webhook-id': 'a' })
  expect(Object.values(await given(inbox))).toEqual(Array(2).fill({ subscriptions: ['paid'] }))
})

test('a delivery is for the subscriptions that take it', async ({ inbox }) => {
  for (const type of ['push', 'pull_request', 'ping'])
    expect((await push(inbox, type, type)).status).toBe(200)
  const pushes = { subscriptions: ['pushes'] }
  expect(Object.values(await given(inbox))).toEqual([pushes, pushes, {}])
})

test('an event is for a time when it says so, alone or in a batch', async ({ inbox }) => {
  const at = '2027-01-01T00:30:00.250+01:00'
  const past = '1970-01-01T00:00:01Z'
  const events = [at, past, null, undefined].map((not_before, n) => ({
    event_id: `timed-${n}`,
    payload: {},
    not_before,
  }))
  const [first, ...others] = events
  expect((await inbox.post(first)).status).toBe(202)
  expect((await inbox.call('POST', '/events', others)).status).toBe(202)
  const line = JSON.stringify({ ...first, event_id: 'timed-line' })
  expect((await inbox.call('POST', '/events', line, NDJSON)).status).toBe(202)
  const not_before = Date.UTC(2026, 11, 31, 23, 30, 0, 250)
  expect(await given(inbox)).toEqual({
    'timed-0': { not_before },
    'timed-1': { not_before: 1_000 },
    'timed-2': {},
    'timed-3': {},
    'timed-line': { not_before },
  })
})

test('a time that is none is refused, with what would be right', async ({ inbox }) => {
  const wrong = [
    '',
    'soon',
    '2027-01-01',
    '2027-01-01T00:00:00',
    '2027-02-30T00:00:00Z',
    5,
    {},
    true,
  ]
  for (const not_before of wrong) {
    const { status, body } = await inbox.post({ payload: {}, not_before })
    expect([not_before, status]).toEqual([not_before, 400])
    expect(body.errors).toEqual([
      { pointer: '#/not_before', detail: expect.stringContaining('such as 2026-11-21T08:30:00Z') },
    ])
  }
  const { body } = await inbox.call('POST', '/events', [{ payload: {}, not_before: 'soon' }])
  expect(body.data).toMatchObject([{ error: { errors: [{ pointer: '#/0/not_before' }] } }])
  expect(await given(inbox)).toEqual({})
})

test('while SUBSCRIPTIONS is malformed nothing new is taken, and all else goes on', async ({
  server,
}) => {
  const vars = { SUBSCRIPTIONS: '[{"name": "billing", "filter": {"payload.a b": 1}}]' }
  await server.update({ workers: [{ configPath: 'wrangler.jsonc', vars }] })
  server.clearLogs()
  const inbox = clientOf((await server.listen()).url)
  const before = await inbox.metrics()
  const posted = [
    await inbox.post({ payload: {} }),
    await inbox.call('POST', '/events', [{ payload: {} }, {}]),
    await inbox.post({}, { 'webhook-id': 'b' }),
  ]
  expect(posted.map(({ status, body }) => [status, body.code])).toEqual(
    Array(3).fill([503, 'NOT_CONFIGURED']),
  )
  const delivered = await push(inbox, 'never')
  expect([delivered.status, await delivered.json()]).toMatchObject([
    503,
    { code: 'NOT_CONFIGURED' },
  ])
  expect((await inbox.get('/inbox')).status).toBe(200)
  expect((await inbox.ack('order')).status).toBe(200)
  const claimed = await inbox.claim()
  const token = claimed.body.lease?.token ?? ''
  const [event_id = ''] = claimed.body.data.map((event) => event.event_id)
  expect(event_id).not.toBe('')
  // A nack may be the last one, and nobody knows how many this subscription allows.
  for (const nacked of [
    await inbox.settle(token, { nack: [{ event_id }] }),
    await inbox.nack(event_id),
  ])
    expect([nacked.status, nacked.body.code]).toEqual([503, 'NOT_CONFIGURED'])
  expect((await inbox.settle(token, { ack: [event_id] })).status).toBe(200)
  expect((await inbox.get('/sources')).status).toBe(200)
  expect((await inbox.get('/health?ready=1')).status).toBe(503)
  expect((await inbox.metrics()).total).toBe(before.total)
  await expect.poll(() => logged(server, 'the configuration is not right')).toHaveLength(1)
  const [{ mistakes } = {}] = logged(server, 'the configuration is not right')
  expect(mistakes).toEqual([
    expect.stringContaining('SUBSCRIPTIONS: "billing" has a filter "payload.a b"; it must'),
  ])
})
