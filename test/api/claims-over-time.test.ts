import { expect } from 'vitest'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const SUBSCRIPTIONS = JSON.stringify([
  { name: 'billing', filter: { 'payload.type': 'invoice.*' }, max_attempts: 2, retry_seconds: [0] },
  { name: 'audit', filter: { 'metadata.audit': true }, max_attempts: 12 },
])
/**
 * How far the clock of the worker is ahead. It never goes back, as the shard's own would not. Alarms do not come then, as
 * the machine knows nothing of it.
 */
let aheadMs = 0
const test = base
  .override('vars', { SHARD_COUNT: '1', LOG_LEVEL: 'error', SUBSCRIPTIONS })
  .extend('pass', async ({ steer }) => {
    await steer({ shiftMs: aheadMs })
    /** Lets so much time go by in the worker. */
    return (milliseconds: number) => steer({ shiftMs: (aheadMs += milliseconds) })
  })
const present = () => Date.now() + aheadMs

type Claim = Awaited<ReturnType<Inbox['claim']>>
const idsIn = ({ body }: Claim) => body.data.map(({ event_id }) => event_id)
const tokenOf = ({ body }: Claim) => body.lease?.token ?? 'none'

const MINUTE_MS = 60_000

test('a lease that is over is taken until somebody else was given the event, and never after', async ({
  inbox,
  pass,
}) => {
  await inbox.postId('late')
  const first = await inbox.claim({ lease_seconds: 30 })
  await pass(MINUTE_MS)
  expect(await inbox.subscription()).toMatchObject({ open: 1, ready: 1, leased: 0 })
  const extended = await inbox.extend(tokenOf(first), 30)
  expect(extended.body.data.event_ids).toEqual(['late'])
  expect(await inbox.subscription()).toMatchObject({ open: 1, ready: 0, leased: 1 })
  expect(idsIn(await inbox.claim())).toEqual([])
  await pass(MINUTE_MS)
  const second = await inbox.claim({ lease_seconds: 30 })
  expect(second.body.data).toMatchObject([{ event_id: 'late', attempt: 2 }])
  expect((await inbox.extend(tokenOf(first), 30)).body.code).toBe('LEASE_LOST')
  for (const said of [{ ack: ['late'] }, { nack: [{ event_id: 'late' }] }, { release: ['late'] }]) {
    const answer = await inbox.settle(tokenOf(first), said)
    expect([answer.status, answer.body.code]).toEqual([409, 'LEASE_LOST'])
  }
  expect(await inbox.subscription()).toMatchObject({ open: 1, leased: 1, expired: 1 })
  await pass(MINUTE_MS)
  expect((await inbox.settle(tokenOf(second), { ack: ['late'] })).status).toBe(200)
  expect(await inbox.event('late')).toMatchObject({ status: 'delivered' })
  await inbox.expectVerified()
})

test('what nobody answers for is given up after so many leases, and the letter says who had it last', async ({
  inbox,
  pass,
}) => {
  await inbox.post({ event_id: 'worn', payload: { type: 'invoice.paid' } })
  for (let n = 1; n <= 10; n++) {
    const claimed = await inbox.claim({ subscription: 'billing', consumer: `worker-${n}` })
    expect(claimed.body.data).toMatchObject([{ event_id: 'worn', attempt: n }])
    await pass(MINUTE_MS)
  }
  expect(idsIn(await inbox.claim({ subscription: 'billing' }))).toEqual([])
  expect((await inbox.event('worn')).status).toBe('failed')
  const reason = 'The lease ended 10 times without an answer; the last holder was worker-10.'
  const letters = await inbox.shardRows(0, "SELECT reason FROM letters WHERE event_id = 'worn'")
  expect(letters).toEqual([{ reason }])
  expect(await inbox.subscription('billing')).toMatchObject({ open: 0, ready: 0, leased: 0 })
  await inbox.call('DELETE', '/inbox/worn')
  await inbox.expectVerified()
})

test('maintenance gives it up too, when nobody claims', async ({ inbox, server, pass }) => {
  await inbox.post({ event_id: 'alone', payload: { type: 'invoice.paid' } })
  for (let n = 1; n <= 10; n++) {
    await inbox.claim({ subscription: 'billing' })
    await pass(MINUTE_MS)
  }
  await server.getWorker().scheduled({})
  expect((await inbox.event('alone')).status).toBe('failed')
  await inbox.call('DELETE', '/inbox/alone')
  await inbox.expectVerified()
})

test('maintenance comes by what stands behind many other leases', async ({
  inbox,
  pass,
  server,
}) => {
  const claim = (lease_seconds: number) =>
    inbox.claim({ subscription: 'billing', limit: 1, lease_seconds })
  const post = (event_id: string) => inbox.post({ event_id, payload: { type: 'invoice.paid' } })
  await post('behind')
  for (let n = 1; n < 10; n++) {
    await claim(30)
    await pass(MINUTE_MS)
  }
  expect(idsIn(await claim(50))).toEqual(['behind'])
  const others = Array.from({ length: 50 }, (_, n) => `before-${n}`)
  for (const id of others) await post(id)
  for (const _ of others) await claim(1)
  await pass(MINUTE_MS)
  await server.getWorker().scheduled({})
  expect((await inbox.event('behind')).status).toBe('pending')
  await server.getWorker().scheduled({})
  expect((await inbox.event('behind')).status).toBe('failed')
  for (const id of ['behind', ...others]) await inbox.call('DELETE', `/inbox/${id}`)
  await inbox.expectVerified()
})

test('a nack waits as the subscription says, and a delay of its own wins', async ({
  inbox,
  pass,
}) => {
  await inbox.post({ event_id: 'wait', payload: {}, metadata: { audit: true } })
  const audit = () => inbox.claim({ subscription: 'audit' })
  const first = await audit()
  const before = present()
  await inbox.settle(tokenOf(first), { nack: [{ event_id: 'wait' }] })
  const story = await inbox.story('wait')
  const at = Date.parse(story.subscriptions[0]?.visible_at ?? '')
  // 5 s at first, rounded up to the second.
  expect([at % 1_000, at - before >= 5_000, at - before < 7_000]).toEqual([0, true, true])
  expect(idsIn(await audit())).toEqual([])
  await pass(8_000)
  const second = await audit()
  expect(second.body.data).toMatchObject([{ event_id: 'wait', attempt: 2 }])
  const nack = { event_id: 'wait', delay_seconds: 3_600 }
  await inbox.settle(tokenOf(second), { nack: [nack] })
  await pass(3_590_000)
  expect(idsIn(await audit())).toEqual([])
  await pass(20_000)
  const third = await audit()
  expect(third.body.data).toMatchObject([{ attempt: 3 }])
  await inbox.settle(tokenOf(third), { ack: ['wait'] })
  await inbox.expectVerified()
})

test('an event for later is hidden from claims until then, and DELETE cancels it', async ({
  inbox,
  pass,
}) => {
  const not_before = new Date(present() + MINUTE_MS).toISOString()
  for (const event_id of ['later', 'never'])
    expect((await inbox.post({ event_id, payload: {}, not_before })).status).toBe(202)
  expect(await inbox.subscription()).toMatchObject({ open: 2, ready: 0, scheduled: 2 })
  expect((await inbox.event('later')).status).toBe('pending')
  expect(idsIn(await inbox.claim())).toEqual([])
  await inbox.call('DELETE', '/inbox/never')
  expect(await inbox.subscription()).toMatchObject({ open: 1, ready: 0, scheduled: 1 })
  // A full second later at most.
  await pass(MINUTE_MS + 1_000)
  expect(await inbox.subscription()).toMatchObject({ open: 1, ready: 1, scheduled: 0 })
  const claimed = await inbox.claim()
  expect(idsIn(claimed)).toEqual(['later'])
  await inbox.settle(tokenOf(claimed), { ack: ['later'] })
  await inbox.expectVerified()
})

test('the timeline tells what happened, when, by whom and why', async ({ inbox, pass }) => {
  await inbox.post({ event_id: 'story', payload: { type: 'invoice.paid' } })
  await inbox.claim({ subscription: 'billing', consumer: 'lazy', lease_seconds: 10 })
  await pass(20_000)
  const claimed = await inbox.claim({ subscription: 'billing', consumer: 'keen' })
  const told = await inbox.story('story')
  expect(told.timeline).toMatchObject([
    { what: 'accepted', by: 'development' },
    { what: 'expired', consumer: 'lazy', attempt: 1, subscription: 'billing' },
    { what: 'claimed', consumer: 'keen', attempt: 2 },
  ])
  expect(told.subscriptions).toMatchObject([{ name: 'billing', status: 'leased', attempt: 2 }])
  const nack = { event_id: 'story', error: 'x'.repeat(500), delay_seconds: 0 }
  await inbox.settle(tokenOf(claimed), { nack: [nack] })
  await inbox.nack('story', 'by hand')
  await inbox.retry('story')
  const { timeline, timeline_dropped } = await inbox.story('story')
  expect(timeline.map(({ what }) => what)).toEqual([
    'accepted',
    'expired',
    'nacked',
    'failed',
    'retried',
  ])
  expect(timeline[2]).toMatchObject({ consumer: 'keen', attempt: 2, why: 'x'.repeat(200) })
  expect(timeline[3]).toMatchObject({ by: 'development', why: 'by hand', attempt: 3 })
  expect(timeline_dropped).toBe(0)
  for (let n = 0; n < 10; n++) {
    await inbox.nack('story')
    await inbox.nack('story')
    await inbox.retry('story')
  }
  const long = await inbox.story('story')
  expect([long.timeline.length, long.timeline_dropped]).toEqual([21, 14])
  await inbox.ack('story')
  await inbox.expectVerified()
})
