import { expect } from 'vitest'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const SUBSCRIPTIONS = JSON.stringify([
  { name: 'billing', filter: { 'payload.type': 'invoice.*' }, max_attempts: 2, retry_seconds: [0] },
  { name: 'audit', filter: { 'metadata.audit': true }, max_attempts: 12 },
])
const test = base.override('vars', { SHARD_COUNT: '1', LOG_LEVEL: 'error', SUBSCRIPTIONS })

type Claim = Awaited<ReturnType<Inbox['claim']>>
const idsIn = ({ body }: Claim) => body.data.map(({ event_id }) => event_id)
const tokenOf = ({ body }: Claim) => body.lease?.token ?? 'none'

/** Posts an event that both `billing` and `audit` take. */
const postBoth = (inbox: Inbox, event_id: string) =>
  inbox.post({ event_id, payload: { type: 'invoice.paid' }, metadata: { audit: true } })

test('an event is claimed by one consumer, and settled by its lease', async ({ inbox }) => {
  for (const id of ['a', 'b', 'c']) await inbox.postId(id)
  const first = await inbox.claim({ limit: 2, consumer: 'one' })
  expect(first.body.data.map(({ event_id, attempt }) => [event_id, attempt])).toEqual([
    ['a', 1],
    ['b', 1],
  ])
  const second = await inbox.claim({ limit: 2 })
  expect(idsIn(second)).toEqual(['c'])
  expect((await inbox.claim()).body).toMatchObject({ data: [], lease: null })
  expect(await inbox.subscription()).toMatchObject({
    open: 3,
    ready: 0,
    leased: 3,
    scheduled: 0,
    leases: [
      { consumer: 'one', event_ids: ['a', 'b'] },
      { consumer: null, event_ids: ['c'] },
    ],
  })
  const said = { ack: ['a'], nack: [{ event_id: 'b', error: 'no', delay_seconds: 60 }] }
  const settled = await inbox.settle(tokenOf(first), said)
  const results = [
    { event_id: 'a', status: 'acked' },
    { event_id: 'b', status: 'nacked' },
  ]
  expect([settled.status, settled.body.data]).toEqual([200, results])
  expect(await inbox.subscription()).toMatchObject({ open: 2, ready: 0, leased: 1, scheduled: 1 })
  expect(await inbox.event('a')).toMatchObject({ status: 'delivered' })
  expect(await inbox.event('b')).toMatchObject({ status: 'pending', retry_count: 1 })
  const again = await inbox.settle(tokenOf(first), said)
  expect([again.status, again.body.data]).toEqual([200, results])
  expect(await inbox.event('b')).toMatchObject({ retry_count: 1 })
  const other = await inbox.settle(tokenOf(first), { release: ['b'], ack: ['c', 'nobody'] })
  expect([other.status, other.body.code, other.body.data]).toEqual([
    409,
    'LEASE_LOST',
    [
      { event_id: 'c', status: 'lost' },
      { event_id: 'nobody', status: 'gone' },
      { event_id: 'b', status: 'lost' },
    ],
  ])
  const partly = await inbox.settle(tokenOf(second), { ack: ['c', 'a'] })
  expect([partly.status, partly.body.data]).toEqual([
    207,
    [
      { event_id: 'c', status: 'acked' },
      { event_id: 'a', status: 'lost' },
    ],
  ])
  await inbox.call('DELETE', '/inbox/b')
  expect(await inbox.subscription()).toMatchObject({ open: 0, ready: 0, leased: 0, scheduled: 0 })
  await inbox.expectVerified()
})

test('each subscription gets what its filter matches, and what none does goes to inbox', async ({
  inbox,
}) => {
  await postBoth(inbox, 'both')
  await inbox.post({ event_id: 'invoice', payload: { type: 'invoice.sent' } })
  await inbox.postId('neither')
  const [billing, audit, rest] = [
    await inbox.claim({ subscription: 'billing' }),
    await inbox.claim({ subscription: 'audit' }),
    await inbox.claim(),
  ]
  expect([billing, audit, rest].map(idsIn)).toEqual([['both', 'invoice'], ['both'], ['neither']])
  await inbox.settle(tokenOf(audit), { ack: ['both'] })
  expect((await inbox.event('both')).status).toBe('pending')
  await inbox.settle(tokenOf(billing), { ack: ['both', 'invoice'] })
  expect((await inbox.event('both')).status).toBe('delivered')
  await inbox.settle(tokenOf(rest), { ack: ['neither'] })
  expect((await inbox.claim({ subscription: 'nobody' })).body.code).toBe('SUBSCRIPTION_NOT_FOUND')
  expect((await inbox.get('/subscriptions/nobody')).status).toBe(404)
  await inbox.drained()
  await inbox.expectVerified()
})

test('the last nack fails the event in its subscription, for its reason, and not in others', async ({
  inbox,
}) => {
  await postBoth(inbox, 'fails')
  const claim = async () => {
    const claimed = await inbox.claim({ subscription: 'billing' })
    return { token: tokenOf(claimed), attempts: claimed.body.data.map(({ attempt }) => attempt) }
  }
  const nack = (token: string) =>
    inbox.settle(token, { nack: [{ event_id: 'fails', error: 'card declined' }] })
  const first = await claim()
  expect((await nack(first.token)).body.data).toEqual([{ event_id: 'fails', status: 'nacked' }])
  const second = await claim()
  expect([first.attempts, second.attempts]).toEqual([[1], [2]])
  const failed = [{ event_id: 'fails', status: 'failed' }]
  expect((await nack(second.token)).body.data).toEqual(failed)
  expect((await nack(second.token)).body.data).toEqual(failed)
  expect(await inbox.event('fails')).toMatchObject({ status: 'failed', retry_count: 2 })
  await expect
    .poll(() => inbox.deadLetters())
    .toMatchObject([{ event_id: 'fails', reason: 'card declined', subscription: 'billing' }])
  // `audit` has it open still, and settles it; the event stays failed until it is retried.
  const audit = await inbox.claim({ subscription: 'audit' })
  expect(idsIn(audit)).toEqual(['fails'])
  expect((await inbox.settle(tokenOf(audit), { ack: ['fails'] })).status).toBe(200)
  expect((await inbox.event('fails')).status).toBe('failed')
  expect((await inbox.retry('fails')).body.data).toMatchObject({ status: 'pending' })
  expect(idsIn(await inbox.claim({ subscription: 'audit' }))).toEqual([])
  const third = await claim()
  expect(third.attempts).toEqual([1])
  await inbox.settle(third.token, { ack: ['fails'] })
  expect((await inbox.event('fails')).status).toBe('delivered')
  await expect.poll(() => inbox.deadLetters()).toEqual([])
  await inbox.expectVerified()
})

test('operators win over a lease, and its holder hears that it lost', async ({ inbox }) => {
  for (const id of ['acked', 'nacked', 'deleted', 'anew']) await inbox.postId(id)
  const claimed = await inbox.claim()
  await inbox.ack('acked')
  await inbox.call('POST', '/inbox/nacked/nack', { error: 'by hand', delay_seconds: 60 })
  await inbox.call('DELETE', '/inbox/deleted')
  await inbox.call('DELETE', '/inbox/anew')
  await inbox.postId('anew')
  expect(await inbox.subscription()).toMatchObject({ open: 2, ready: 1, leased: 0, scheduled: 1 })
  const ack = ['acked', 'nacked', 'deleted', 'anew']
  const settled = await inbox.settle(tokenOf(claimed), { ack })
  expect([settled.status, settled.body.data.map(({ status }) => status)]).toEqual([
    409,
    ['lost', 'lost', 'gone', 'lost'],
  ])
  expect((await inbox.event('nacked')).status).toBe('pending')
  expect((await inbox.event('anew')).status).toBe('pending')
  await inbox.call('POST', '/inbox/ack', { event_ids: ['nacked', 'anew'] })
  expect(await inbox.subscription()).toMatchObject({ open: 0, ready: 0, leased: 0, scheduled: 0 })
  expect(idsIn(await inbox.claim())).toEqual([])
  await inbox.drained()
  await inbox.expectVerified()
})

test('acts by id reach one subscription or all', async ({ inbox }) => {
  await postBoth(inbox, 'some')
  const wrong = await inbox.call('POST', '/inbox/some/ack', { subscription: 'inbox' })
  expect([wrong.status, wrong.body.code]).toEqual([409, 'STATUS_CONFLICT'])
  const one = await inbox.call('POST', '/inbox/some/ack', { subscription: 'audit' })
  expect(one.body.data).toMatchObject({ status: 'pending' })
  const nacked = await inbox.call('POST', '/inbox/some/nack', { delay_seconds: 0 })
  expect(nacked.body.data).toMatchObject({ status: 'pending', retry_count: 1 })
  expect((await inbox.nack('some')).body.data).toMatchObject({ status: 'failed', retry_count: 2 })
  expect((await inbox.retry('some')).body.data).toMatchObject({ status: 'pending' })
  expect((await inbox.ack('some')).body.data).toMatchObject({ status: 'delivered' })
  await inbox.drained()
  await inbox.expectVerified()
})

test('while D1 is away, those are given out whose body is at hand', async ({ inbox }) => {
  await inbox.postId('stored')
  await inbox.drained()
  await inbox.withoutD1(async () => {
    await inbox.postId('held')
    await expect.poll(async () => idsIn(await inbox.claim())).toEqual(['held'])
    expect(idsIn(await inbox.claim())).toEqual([])
    expect(await inbox.subscription()).toMatchObject({ open: 2, ready: 1, leased: 1 })
  })
  await expect.poll(async () => idsIn(await inbox.claim())).toEqual(['stored'])
  await inbox.call('POST', '/inbox/ack', { event_ids: ['stored', 'held'] })
  await inbox.drained()
  await inbox.expectVerified()
})

test('an event that D1 has lost fails for that reason, and holds up no other', async ({
  inbox,
}) => {
  for (const id of ['lost', 'kept']) await inbox.postId(id)
  await inbox.drained()
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'lost'")
  expect(idsIn(await inbox.claim())).toEqual(['kept'])
  const reason = 'The database does not have the event any more.'
  await expect.poll(() => inbox.deadLetters()).toMatchObject([{ event_id: 'lost', reason }])
  await inbox.call('DELETE', '/inbox/lost')
  await inbox.ack('kept')
  await inbox.drained()
  await inbox.expectVerified()
})

test('two claims that read bodies at once get different events', async ({ inbox, steer }) => {
  const ids = Array.from({ length: 6 }, (_, n) => `side-${n}`)
  await inbox.post(ids.map((event_id) => ({ event_id, payload: {} })))
  await inbox.drained()
  await steer({ hold: ['reads'] })
  const claims = [inbox.claim({ limit: 3 }), inbox.claim({ limit: 3 })]
  await expect.poll(() => steer()).toMatchObject({ reads: 2 })
  // What an operator does meanwhile is not undone.
  await inbox.ack('side-0')
  await steer({ hold: [] })
  const claimed = await Promise.all(claims)
  expect(claimed.flatMap(idsIn).toSorted()).toEqual(ids.slice(1))
  await inbox.call('POST', '/inbox/ack', { event_ids: ids.slice(1) })
  await inbox.drained()
  await inbox.expectVerified()
})

test('rows in which acts by id have left nothing do not stay', async ({ inbox }) => {
  const ids = Array.from({ length: 600 }, (_, n) => `swept-${n}`)
  await inbox.post(ids.map((event_id) => ({ event_id, payload: {} })))
  await inbox.call('POST', '/inbox/ack', { event_ids: ids })
  const rows = async () => {
    // Each act by id makes a drain, and each drain looks at a few rows.
    await inbox.ack(await inbox.postId(crypto.randomUUID()))
    return (await inbox.shardRows(0, 'SELECT n FROM ready')).length
  }
  await expect.poll(rows).toBeLessThan(2)
  await inbox.drained()
  await inbox.expectVerified()
})

test('a claim gives out no more than fits an answer', async ({ inbox }) => {
  const text = 'x'.repeat(900_000)
  const ids = Array.from({ length: 6 }, (_, n) => `large-${n}`)
  for (const event_id of ids) await inbox.post({ event_id, payload: { text } })
  await inbox.drained()
  const claimed = await inbox.claim({ limit: 100 })
  expect(idsIn(claimed)).toEqual(ids.slice(0, 4))
  expect(idsIn(await inbox.claim({ limit: 100 }))).toEqual(ids.slice(4))
  await inbox.call('POST', '/inbox/ack', { event_ids: ids })
  await inbox.drained()
})

test('bad input is refused by its place', async ({ inbox }) => {
  const pointers = async (path: string, body: unknown) => {
    const answer = await inbox.call('POST', path, body)
    return [answer.status, answer.body.errors?.map(({ pointer }) => pointer)]
  }
  expect(
    await pointers('/inbox/claim', { subscription: 'No', limit: 0, wait_seconds: 21 }),
  ).toEqual([400, ['#/subscription', '#/limit', '#/wait_seconds']])
  expect(await pointers('/inbox/claim', { lease_seconds: 43_201, consumer: '' })).toEqual([
    400,
    ['#/lease_seconds', '#/consumer'],
  ])
  expect(await pointers('/inbox/claim', { limits: 1 })).toEqual([400, ['#']])
  expect(await pointers('/leases/0.x/extend', { lease_seconds: 0 })).toEqual([
    400,
    ['#/lease_seconds'],
  ])
  const settle = '/leases/0.x/settle'
  expect(await pointers(settle, {})).toEqual([400, ['#']])
  expect(await pointers(settle, { ack: ['a'], nack: [{ event_id: 'a' }] })).toEqual([
    400,
    ['#/nack/0/event_id'],
  ])
  expect(
    await pointers(settle, { ack: 'a', nack: ['b', { event_id: 'c', delay: 1 }], release: ['/'] }),
  ).toEqual([400, ['#/ack', '#/nack/0', '#/nack/1', '#/release/0']])
  const many = Array.from({ length: 101 }, (_, n) => `m${n}`)
  expect(await pointers(settle, { ack: many })).toEqual([400, ['#']])
  for (const token of ['0.x', '9.AAAAAAAAAAAAAAAAAAAAAA', '0.AAAAAAAAAAAAAAAAAAAAAA']) {
    const answer = await inbox.settle(token, { ack: ['a'] })
    expect([answer.status, answer.body.code]).toEqual([409, 'LEASE_LOST'])
    expect((await inbox.extend(token, 1)).status).toBe(409)
  }
  expect(await pointers('/inbox/a/nack', { delay_seconds: -1, error: 1 })).toEqual([
    400,
    ['#/error', '#/delay_seconds'],
  ])
  expect(await pointers('/inbox/a/ack', { subscription: 1 })).toEqual([400, ['#/subscription']])
})
