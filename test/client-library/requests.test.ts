import { expect } from 'vitest'
import { Inbox } from '../../client/index'
import { clientFor, losing } from '../support/client'
import { test as base } from '../support/world'

const NAMES = ['by-hand', 'twice-a', 'twice-b']
const SUBSCRIPTIONS = NAMES.map((name) => ({
  name,
  filter: { 'payload.for': name.replace(/-[ab]$/, '') },
}))
const test = base.override('vars', { SUBSCRIPTIONS: JSON.stringify(SUBSCRIPTIONS) })

test('lists what a filter finds, page by page or all of it', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url)
  const events = Array.from({ length: 25 }, (_, n) => ({
    event_id: `l-${String(n).padStart(2, '0')}`,
    payload: { list: true, n },
  }))
  await client.send(events)
  await client.ack('l-03')
  const filter = { filter: { 'payload.list': true }, sort: 'event_id', order: 'asc' } as const
  const page = await client.list({ ...filter, status: ['pending', 'failed'], limit: 2, offset: 3 })
  expect(page).toMatchObject({ total: 24, data: [{ event_id: 'l-04' }, { event_id: 'l-05' }] })
  expect((await client.list({ status: 'delivered', count: false })).total).toBeUndefined()
  const found: string[] = []
  for await (const { event_id } of client.all({ ...filter, limit: 10, offset: 2 }))
    found.push(event_id)
  expect(found).toEqual(events.slice(2).map(({ event_id }) => event_id))
  expect(asked(/cursor=/)).toHaveLength(2)
  const previews = await client.list({ ...filter, body: 'preview', limit: 1 })
  const sizes = previews.data.map((event): number => event.payload_bytes)
  expect(sizes).toEqual([JSON.stringify(events[0]?.payload).length])
  const wrong = client.list({ limit: 0 })
  await expect(wrong).rejects.toMatchObject({ code: 'INVALID_PARAMETER', status: 400 })
})

test('shows, moves and deletes events', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  await client.send({ event_id: 'one', payload: { n: 1 } })
  expect(await client.get('one')).toMatchObject({ status: 'pending', payload: { n: 1 } })
  for (const status of ['pending', 'pending', 'failed'])
    expect(await client.nack('one', { error: 'no' })).toMatchObject({ status })
  await expect
    .poll(async () => (await client.deadLetters({ limit: 5 })).data)
    .toMatchObject([{ event_id: 'one', reason: 'no' }])
  const filter = { reason: 'no', subscription: 'inbox' }
  expect(await client.deadLetters(filter)).toMatchObject({ total: 1, complete: true })
  expect(await client.deadLetters({ reason: '' })).toMatchObject({ total: 0, data: [] })
  expect(await client.deadLetterReasons()).toMatchObject({ data: [{ reason: 'no', count: 1 }] })
  expect(await client.deadLetterReasons({ subscription: 'by-hand' })).toMatchObject({ total: 0 })
  expect(await client.redrive({ event_ids: ['one', 'two'] })).toEqual({ redriven: 1, skipped: 1 })
  expect(await client.ack('one')).toMatchObject({ event_id: 'one', status: 'delivered' })
  const { timeline } = await client.timeline('one')
  expect(timeline.map(({ what }) => what)).toContain('acked')
  await expect(client.ack('one')).rejects.toMatchObject({ code: 'STATUS_CONFLICT', status: 409 })
  await client.delete('one')
  await expect(client.get('one')).rejects.toMatchObject({ code: 'EVENT_NOT_FOUND', status: 404 })
  await expect(client.delete('one')).rejects.toMatchObject({ code: 'EVENT_NOT_FOUND' })
})

test('claims, extends and settles by hand', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const subscription = 'by-hand'
  await client.send({ event_id: 'held', payload: { for: subscription } })
  const { data, lease } = await client.claim({ subscription, lease_seconds: 60, consumer: 'me' })
  expect(data).toMatchObject([{ event_id: 'held', attempt: 1 }])
  const token = lease?.token ?? ''
  expect(await client.extend(token, 90)).toMatchObject({ event_ids: ['held'] })
  expect((await client.subscription(subscription)).leases).toMatchObject([{ consumer: 'me' }])
  expect(await client.subscriptions()).toMatchObject([
    { name: subscription, leased: 1 },
    {},
    {},
    { name: 'inbox', leased: 0 },
  ])
  const settled = [{ event_id: 'held', status: 'acked' }]
  expect(await client.settle(token, { ack: ['held'] })).toEqual(settled)
  await expect(client.extend(token, 90)).rejects.toMatchObject({ code: 'LEASE_LOST', status: 409 })
  expect(await client.claim({ subscription })).toMatchObject({ data: [], lease: null })
})

test('counts, counts anew, and says who it is', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const scopes = ['write', 'read', 'manage', 'consume']
  expect(await client.whoami()).toEqual({ name: 'development', scopes })
  expect(await client.metrics({ detail: 'shards' })).toMatchObject({ shards: [{}, {}] })
  const { per_hour = [] } = await client.metrics({ chart: 'month' })
  expect(per_hour.at(-1)).toHaveProperty('accepted')
  expect([per_hour.length, (await client.metrics()).per_hour]).toEqual([720, undefined])
  expect(await client.metrics({ verify: true })).toMatchObject({ verified: true, differences: [] })
})

test('what was done though its answer was lost is no error', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url, (request) => lose(request))
  let lose = losing(/ack/)
  await client.send({ event_id: 'lost', payload: {} })
  expect(await client.nack('lost', { error: 'once' })).toMatchObject({ retry_count: 1 })
  expect(asked(/nack/)).toHaveLength(2)
  lose = losing(/ack/)
  expect(await client.ack('lost')).toMatchObject({ event_id: 'lost', status: 'delivered' })
  lose = losing(/inbox/)
  await client.delete('lost')
  lose = losing(/metrics/, 99)
  const signal = AbortSignal.timeout(1_500)
  await expect(client.metrics({ signal })).rejects.toThrow('timeout')
  expect(asked(/metrics/).length).toBeGreaterThan(1)
})

test('what was done in one subscription though its answer was lost is no error', async ({
  inbox,
}) => {
  const { client } = clientFor(inbox.url, (request) => lose(request))
  let lose = losing(/nothing/)
  await client.send({ event_id: 'twice', payload: { for: 'twice' } })
  lose = losing(/ack/)
  const done = await client.ack('twice', { subscription: 'twice-a' })
  expect(done).toMatchObject({ event_id: 'twice', status: 'pending' })
  // It was done by nobody else, and once.
  expect((await inbox.story('twice')).timeline.map(({ what }) => what)).toEqual([
    'accepted',
    'acked',
  ])
  for (let n = 0; n < 3; n++) await client.nack('twice', { subscription: 'twice-b' })
  lose = losing(/retry/)
  expect(await client.retry('twice', { subscription: 'twice-b' })).toMatchObject({
    status: 'pending',
  })
  // Nobody did this.
  lose = losing(/retry/)
  const retried = client.retry('twice', { subscription: 'twice-a' })
  await expect(retried).rejects.toMatchObject({ code: 'STATUS_CONFLICT' })
})

test('an inbox that is not there is an error, once it was tried for some seconds', async () => {
  const client = new Inbox({ url: 'http://127.0.0.1:9', token: 'dev-token' })
  await expect(client.metrics()).rejects.toMatchObject({ code: 'NO_ANSWER', status: 0 })
  await expect(client.claim()).rejects.toMatchObject({ code: 'NO_ANSWER', correlationId: null })
})
