import { expect } from 'vitest'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', LOG_LEVEL: 'error', MAX_RETRIES: '3' })

const idsIn = ({ body }: Awaited<ReturnType<Inbox['claim']>>) =>
  body.data.map(({ event_id }) => event_id)

test('a claim whose answer was lost can be repeated: it gets what its lease holds', async ({
  inbox,
}) => {
  for (const id of ['one', 'two', 'three']) await inbox.postId(id)
  const claim = (lease: string, limit: number) => {
    const who = { subscription: 'inbox', consumer: null, by: 'test' }
    return inbox.shard(0).claim({ ...who, lease, limit, lease_ms: 60_000 })
  }
  const first = await claim('first', 2)
  const again = await claim('first', 2)
  expect(again.events).toEqual(first.events)
  expect(again.expires_at).toBe(first.expires_at)
  expect((await claim('second', 9)).events.map(({ event_id }) => event_id)).toEqual(['three'])
  expect(await inbox.subscription()).toMatchObject({ open: 3, leased: 3, claimed: 3 })
  await inbox.call('POST', '/inbox/ack', { event_ids: ['one', 'two', 'three'] })
  await inbox.expectVerified()
})

test('large events that D1 has not been told of are given out by and by, and none is given up', async ({
  inbox,
  steer,
}) => {
  const text = 'x'.repeat(900_000)
  const ids = Array.from({ length: 6 }, (_, n) => `large-${n}`)
  await steer({ hold: ['writes'] })
  for (const event_id of ids) await inbox.post({ event_id, payload: { text } })
  const claims = [await inbox.claim({ limit: 100 }), await inbox.claim({ limit: 100 })]
  await steer({ hold: [] })
  expect(claims.map(idsIn)).toEqual([ids.slice(0, 4), ids.slice(4)])
  expect(await inbox.metrics()).toMatchObject({ failed: 0 })
  await inbox.call('POST', '/inbox/ack', { event_ids: ids })
  await inbox.drained()
  await inbox.expectVerified()
})

test('a D1 that does not answer a claim is left alone for a second', async ({ inbox, steer }) => {
  await inbox.postId('stored')
  await inbox.drained()
  await steer({ clockStands: true })
  await inbox.withoutD1(async () => {
    const { queries } = await steer()
    for (let n = 0; n < 3; n++) expect(idsIn(await inbox.claim())).toEqual([])
    expect((await steer()).queries).toBe(queries + 1)
  })
  await steer({ clockStands: false, shiftMs: 2_000 })
  expect(idsIn(await inbox.claim())).toEqual(['stored'])
  await inbox.call('DELETE', '/inbox/stored')
  await inbox.expectVerified()
})

test('one claim gives up only so many events that D1 has lost', async ({ inbox }) => {
  const ids = Array.from({ length: 200 }, (_, n) => `lost-${n}`)
  await inbox.post(ids.map((event_id) => ({ event_id, payload: {} })))
  await inbox.drained()
  await inbox.db.exec("DELETE FROM events WHERE event_id LIKE 'lost-%'")
  expect(idsIn(await inbox.claim({ limit: 10 }))).toEqual([])
  const { failed } = await inbox.metrics()
  expect(failed).toBeGreaterThanOrEqual(10)
  expect(failed).toBeLessThanOrEqual(80)
  for (const id of ids) await inbox.call('DELETE', `/inbox/${id}`)
  await inbox.drained()
  await inbox.expectVerified()
})

test('an event that D1 refuses while somebody holds it is given up, and its holder hears so', async ({
  inbox,
}) => {
  await inbox.drained()
  await inbox.refuse('INSERT', "NEW.event_id = 'refused'")
  await inbox.postId('refused')
  const claimed = await inbox.claim({ consumer: 'holder' })
  expect(idsIn(claimed)).toEqual(['refused'])
  await expect.poll(async () => (await inbox.event('refused')).status).toBe('failed')
  const settled = await inbox.settle(claimed.body.lease?.token ?? '', { ack: ['refused'] })
  expect([settled.status, settled.body.data]).toEqual([
    409,
    [{ event_id: 'refused', status: 'lost' }],
  ])
  expect(await inbox.subscription()).toMatchObject({ open: 0, leased: 0, ready: 0 })
  expect((await inbox.story('refused')).timeline).toMatchObject([
    { what: 'accepted' },
    { what: 'claimed', consumer: 'holder', attempt: 1 },
    { what: 'failed', by: 'inbox', subscription: '' },
  ])
  await inbox.takeAgain()
  expect((await inbox.retry('refused')).status).toBe(200)
  const again = await inbox.claim()
  expect(again.body.data).toMatchObject([{ event_id: 'refused', attempt: 1 }])
  await inbox.settle(again.body.lease?.token ?? '', { ack: ['refused'] })
  await inbox.drained()
  await inbox.expectVerified()
})

test('a thousand events fail, and are retried at once, with reasons as long as any', async ({
  inbox,
}) => {
  const ids = Array.from({ length: 1_000 }, (_, n) => `failing-${n}`)
  await inbox.post(ids.map((event_id) => ({ event_id, payload: {} })))
  const error = '長'.repeat(1_000)
  for (let nacks = 1; nacks <= 3; nacks++)
    for (;;) {
      const { body } = await inbox.claim({ limit: 100, lease_seconds: 600 })
      if (!body.lease) break
      expect(body.data[0]?.attempt).toBe(nacks)
      const nack = body.data.map(({ event_id }) => ({ event_id, error, delay_seconds: 0 }))
      // What was nacked just now can be claimed again, so all of an attempt are held until the last.
      held.push({ token: body.lease.token, nack })
      if (held.length < 10) continue
      for (const { token, nack: own } of held.splice(0))
        expect((await inbox.settle(token, { nack: own })).status).toBe(200)
      break
    }
  expect(await inbox.metrics()).toMatchObject({ failed: 1_000, dlq_count: 1_000 })
  const redriven = await inbox.call('POST', '/dlq/retry', { all: true })
  expect(redriven.body.data).toMatchObject({ redriven: 1_000 })
  expect(await inbox.subscription()).toMatchObject({ open: 1_000, ready: 1_000 })
  const { timeline } = await inbox.story('failing-0')
  expect(timeline.at(-1)).toMatchObject({ what: 'retried', by: 'development' })
  await inbox.call('POST', '/inbox/ack', { event_ids: ids })
  await inbox.drained()
  await inbox.expectVerified()
})

const held: { token: string; nack: object[] }[] = []
