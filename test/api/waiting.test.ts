import { expect } from 'vitest'
import { idOf } from '../support/shards'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '2', LOG_LEVEL: 'error', MAX_RETRIES: '9' })

/** Resolves once so many claims wait. Asking a shard directly would keep it in memory. */
const waiting = (inbox: Inbox, count: number) =>
  expect.poll(async () => (await inbox.subscription()).waiting).toBe(count)

const tokenOf = ({ body }: Awaited<ReturnType<Inbox['claim']>>) => body.lease?.token ?? ''

const idsIn = ({ body }: Awaited<ReturnType<Inbox['claim']>>) =>
  body.data.map(({ event_id }) => event_id)

test('a claim that waits gets an event of whichever shard as soon as it comes', async ({
  inbox,
}) => {
  for (const shard of [0, 1]) {
    const id = idOf(shard, `come-${shard}`)
    const claim = inbox.claim({ wait_seconds: 20 })
    await waiting(inbox, 1)
    await inbox.postId(id)
    const claimed = await claim
    expect(idsIn(claimed)).toEqual([id])
    await waiting(inbox, 0)
    await inbox.settle(claimed.body.lease?.token ?? '', { ack: [id] })
  }
})

test('each of several events wakes another one of those who wait, the longest waiting first', async ({
  inbox,
}) => {
  const claims = []
  for (const n of [1, 2, 3]) {
    claims.push(inbox.claim({ wait_seconds: 20, limit: 1, consumer: `c${n}` }))
    await waiting(inbox, n)
  }
  const order: number[] = []
  for (const [n, claim] of claims.entries()) void claim.then(() => order.push(n))
  for (const n of [0, 1, 2]) {
    await inbox.postId(idOf(0, `turn-${n}`))
    await expect.poll(() => order.length).toBe(n + 1)
  }
  expect(order).toEqual([0, 1, 2])
  for (const claim of claims) {
    const { body } = await claim
    await inbox.settle(body.lease?.token ?? '', { ack: [body.data[0]?.event_id] })
  }
})

test('a claim that waits gets what was put off when its moment comes', async ({ inbox, steer }) => {
  const id = idOf(1, 'later')
  const not_before = new Date(Date.now() + 60_000).toISOString()
  await inbox.post({ event_id: id, payload: {}, not_before })
  expect(await inbox.subscription()).toMatchObject({ open: 1, scheduled: 1, ready: 0 })
  expect(idsIn(await inbox.claim())).toEqual([])
  await steer({ shiftMs: 59_500 })
  const claimed = await inbox.claim({ wait_seconds: 20 })
  expect(idsIn(claimed)).toEqual([id])
  await inbox.settle(claimed.body.lease?.token ?? '', { ack: [id] })
})

test('a claim that waits gets what another lease has not answered for', async ({ inbox }) => {
  const id = await inbox.postId(idOf(0, 'expires'))
  const first = await inbox.claim({ lease_seconds: 1 })
  expect(idsIn(first)).toEqual([id])
  const second = await inbox.claim({ wait_seconds: 20 })
  expect(second.body.data).toMatchObject([{ event_id: id, attempt: 2 }])
  const late = await inbox.settle(first.body.lease?.token ?? '', { ack: [id] })
  expect([late.status, late.body.data]).toEqual([409, [{ event_id: id, status: 'lost' }]])
  await inbox.settle(second.body.lease?.token ?? '', { ack: [id] })
})

test('those who wait already get what a lease has not answered for, the moment it ends', async ({
  inbox,
}) => {
  const claims = [1, 2].map((n) =>
    inbox.claim({ wait_seconds: 20, lease_seconds: n, consumer: `waiter ${n}` }),
  )
  await waiting(inbox, 2)
  const id = await inbox.postId(idOf(0, 'both'))
  const [first, second] = await Promise.all(claims)
  const attempts = [first, second].map((claim) => claim?.body.data.map(({ attempt }) => attempt))
  expect(attempts.toSorted()).toEqual([[1], [2]])
  expect((await inbox.ack(id)).status).toBe(200)
})

test('one who began to wait after a lease was told of is told of the next one', async ({
  inbox,
}) => {
  const first = await inbox.postId(idOf(0, 'told'))
  const held = await inbox.claim({ lease_seconds: 2 })
  await inbox.settle(tokenOf(held), { ack: [first] })
  // These two came when nothing was known to come.
  const claims = [1, 2].map((n) =>
    inbox.claim({ wait_seconds: 20, lease_seconds: 3, consumer: `late ${n}` }),
  )
  await waiting(inbox, 2)
  const id = await inbox.postId(idOf(0, 'next'))
  const found = await Promise.all(claims)
  expect(found.map(({ body }) => body.data[0]?.attempt).toSorted()).toEqual([1, 2])
  expect((await inbox.ack(id)).status).toBe(200)
})

test('what is released, nacked without a wait, or retried wakes those who wait', async ({
  inbox,
}) => {
  const id = await inbox.postId(idOf(1, 'again'))
  let token = (await inbox.claim()).body.lease?.token ?? ''
  for (const said of [{ release: [id] }, { nack: [{ event_id: id, delay_seconds: 0 }] }]) {
    const claim = inbox.claim({ wait_seconds: 20 })
    await waiting(inbox, 1)
    expect((await inbox.settle(token, said)).status).toBe(200)
    const claimed = await claim
    expect(idsIn(claimed)).toEqual([id])
    token = claimed.body.lease?.token ?? ''
  }
  expect((await inbox.settle(token, { ack: [id] })).status).toBe(200)
})

test('a wake that is not followed by a claim is passed on', async ({ inbox, steer }) => {
  const id = idOf(0, 'passed')
  const claims = [inbox.claim({ wait_seconds: 20, consumer: 'one' })]
  await waiting(inbox, 1)
  claims.push(inbox.claim({ wait_seconds: 20, consumer: 'two' }))
  await waiting(inbox, 2)
  // Whoever is woken first never gets through to the shard.
  await steer({ faults: { 'shard-0.claim': 'hold' } })
  await inbox.postId(id)
  await expect.poll(() => steer(), { timeout: 5_000 }).toMatchObject({ calls: 2 })
  await steer({ faults: {} })
  const claimed = await Promise.race(claims)
  expect(idsIn(claimed)).toEqual([id])
  const { body } = claimed
  await inbox.settle(body.lease?.token ?? '', { ack: [id] })
  const other = await inbox.postId(idOf(1, 'other'))
  expect((await Promise.all(claims)).flatMap(idsIn).toSorted()).toEqual([id, other].toSorted())
})

test('a wait that finds nothing ends with an empty list', async ({ inbox }) => {
  await inbox.call('DELETE', `/inbox/${idOf(1, 'other')}`)
  const { body } = await inbox.claim({ wait_seconds: 1 })
  expect(body).toMatchObject({ data: [], lease: null })
  await waiting(inbox, 0)
})

for (const webSockets of ['hibernate', 'close'] as const) {
  test(`who waits keeps no shard in memory, and is woken by one that was not there: ${webSockets}`, async ({
    inbox,
  }) => {
    const claim = inbox.claim({ wait_seconds: 20 })
    await waiting(inbox, 1)
    await inbox.restartShards(webSockets)
    const id = await inbox.postId(idOf(0, webSockets))
    const claimed = await claim
    expect(idsIn(claimed)).toEqual([id])
    await inbox.settle(claimed.body.lease?.token ?? '', { ack: [id] })
    await inbox.expectVerified()
  })
}
