import { expect } from 'vitest'
import { test as base } from '../support/steering'

const test = base
  .override('vars', { SHARD_COUNT: '1', LOG_LEVEL: 'error' })
  /** Nothing is left of one test for the next. */
  .extend('empty', { auto: true }, async ({ inbox }) => {
    for (const { event_id } of await inbox.rows()) await inbox.call('DELETE', `/inbox/${event_id}`)
  })

// The dead entry of `a` is in one row with its live one, which is behind the limit.
test('an event that was nacked by id is not lost by a claim of another one', async ({ inbox }) => {
  await inbox.postId('a')
  await inbox.postId('b')
  await inbox.call('POST', '/inbox/a/nack', { delay_seconds: 0 })
  expect((await inbox.claim({ limit: 1 })).body.data.map((e) => e.event_id)).toEqual(['b'])
  expect((await inbox.claim({ limit: 1 })).body.data.map((e) => e.event_id)).toEqual(['a'])
  await inbox.expectVerified()
})

test('an event that is posted anew while a claim reads its body is given out as it is now', async ({
  inbox,
  steer,
}) => {
  await inbox.restartShards()
  await inbox.post({ event_id: 'x', payload: { n: 1 } })
  await inbox.drained()
  await steer({ hold: ['reads'] })
  const claiming = inbox.claim()
  await expect.poll(() => steer()).toMatchObject({ reads: 1 })
  await inbox.call('DELETE', '/inbox/x')
  await inbox.post({ event_id: 'x', payload: { n: 2 } })
  await steer({ hold: [] })
  const { data: first } = (await claiming).body
  // It may have found nothing: what it read was of the event before.
  const { data } = first.length > 0 ? { data: first } : (await inbox.claim()).body
  expect(data.map(({ payload }) => payload)).toEqual([{ n: 2 }])
  await inbox.expectVerified()
})

test('while D1 is full, a claim takes what D1 has not been told of', async ({ inbox }) => {
  await inbox.db.exec(
    "CREATE TRIGGER full BEFORE INSERT ON events WHEN new.event_id > 'part-4' BEGIN SELECT json('{'); END",
  )
  await inbox.restartShards()
  const ids = ['1', '2', '3', '4', '5', '6', '7', '8'].map((n) => `part-${n}`)
  await inbox.post(ids.map((event_id) => ({ event_id, payload: { event_id } })))
  // A part of the commit is stored, and then D1 is left alone.
  await expect.poll(async () => (await inbox.rows(`event_id LIKE 'part-%'`)).length).toBe(4)
  await expect.poll(async () => (await inbox.event('part-5')).retry_count).toBeGreaterThan(3)
  const claimed = await inbox.claim({ limit: 1 })
  expect(claimed.status).toBe(200)
  expect(claimed.body.data).toHaveLength(1)
  await inbox.db.exec('DROP TRIGGER full')
  await inbox.expectVerified()
}, 40_000)

test('a lease whose holder comes back while another claim reads bodies is kept', async ({
  inbox,
  steer,
}) => {
  const ids = ['extended', 'acked', 'nacked']
  const tokens: string[] = []
  for (const event_id of ids) {
    await inbox.postId(event_id)
    const { body } = await inbox.claim({ limit: 1, lease_seconds: 1 })
    expect(body.data.map((each) => each.event_id)).toEqual([event_id])
    tokens.push(body.lease?.token ?? '')
  }
  await inbox.drained()
  await steer({ shiftMs: 2_000, hold: ['reads'] })
  const claiming = inbox.claim()
  await expect.poll(() => steer()).toMatchObject({ reads: 1 })
  const [extended = '', acked = '', nacked = ''] = tokens
  expect((await inbox.extend(extended, 60)).status).toBe(200)
  expect((await inbox.settle(acked, { ack: ['acked'] })).status).toBe(200)
  const nack = [{ event_id: 'nacked', delay_seconds: 60 }]
  expect((await inbox.settle(nacked, { nack })).status).toBe(200)
  await steer({ hold: [] })
  expect((await claiming).body.data).toEqual([])
  expect(await inbox.subscription()).toMatchObject({ leased: 1, scheduled: 1 })
  expect((await inbox.settle(extended, { ack: ['extended'] })).status).toBe(200)
})
