import { expect } from 'vitest'
import { test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', LOG_LEVEL: 'error' })

test('an event is claimed by one consumer, and settled by its lease', async ({ inbox }) => {
  for (const id of ['a', 'b', 'c']) await inbox.postId(id)
  const first = await inbox.claim({ limit: 2, consumer: 'one' })
  expect(first.status).toBe(200)
  expect(first.body.data.map(({ event_id, attempt }) => [event_id, attempt])).toEqual([
    ['a', 1],
    ['b', 1],
  ])
  const second = await inbox.claim({ limit: 2 })
  expect(second.body.data.map(({ event_id }) => event_id)).toEqual(['c'])
  expect((await inbox.claim()).body).toMatchObject({ data: [], lease: null })
  expect(await inbox.subscription()).toMatchObject({
    open: 3,
    ready: 0,
    leased: 3,
    scheduled: 0,
    leases: [{ consumer: 'one', event_ids: ['a', 'b'] }, { event_ids: ['c'] }],
  })
  const token = first.body.lease?.token ?? ''
  const settled = await inbox.settle(token, {
    ack: ['a'],
    nack: [{ event_id: 'b', error: 'no', delay_seconds: 60 }],
  })
  expect([settled.status, settled.body.data]).toEqual([
    200,
    [
      { event_id: 'a', status: 'acked' },
      { event_id: 'b', status: 'nacked' },
    ],
  ])
  expect(await inbox.subscription()).toMatchObject({ open: 2, ready: 0, leased: 1, scheduled: 1 })
  expect(await inbox.event('a')).toMatchObject({ status: 'delivered' })
  expect(await inbox.event('b')).toMatchObject({ status: 'pending', retry_count: 1 })
  const again = await inbox.settle(token, { ack: ['a'] })
  expect([again.status, again.body.data]).toEqual([200, [{ event_id: 'a', status: 'acked' }]])
  const lost = await inbox.settle(token, { release: ['b'], ack: ['c'] })
  expect([lost.status, lost.body.code]).toEqual([409, 'LEASE_LOST'])
  await inbox.expectVerified()
})
