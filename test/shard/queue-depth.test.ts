import { expect } from 'vitest'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1' })

const remove = async (inbox: Inbox, id: string) =>
  expect((await inbox.call('DELETE', `/inbox/${id}`)).status).toBe(200)
const refuse = (inbox: Inbox, verb: 'INSERT' | 'UPDATE', id: string) =>
  inbox.refuse(verb, `NEW.event_id = '${id}'`)
const parked = (inbox: Inbox, where = 'true') =>
  inbox.shardRows(0, `SELECT event_id FROM parked WHERE ${where}`)
/** The counter, and what the rows come to. */
const depths = async (inbox: Inbox) => {
  const [row] = await inbox.shardRows(
    0,
    `SELECT queue_depth AS counted, stored_total AS stored,
       (SELECT coalesce(sum(accepted), 0) FROM journal)
         + (SELECT count(*) FROM parked WHERE retry_at IS NOT NULL AND payload IS NOT NULL) AS rows
     FROM counters`,
  )
  return row
}
const settled = async (inbox: Inbox) => {
  await inbox.get('/inbox')
  await expect.poll(() => inbox.shardRows(0, 'SELECT seq FROM journal')).toEqual([])
  const row = await depths(inbox)
  expect(row).toMatchObject({ counted: 0, rows: 0 })
  return Number(row?.stored)
}

test('falls at once when an event that D1 has not got is deleted, and is right when D1 is back', async ({
  inbox,
}) => {
  await inbox.withoutD1(async () => {
    const events = ['a', 'b', 'c'].map((event_id) => ({ event_id, payload: {} }))
    await inbox.call('POST', '/events', events)
    await inbox.postId('d')
    expect((await inbox.metrics()).queue_depth).toBe(4)
    await inbox.ack('b')
    await remove(inbox, 'a')
    await remove(inbox, 'b')
    await remove(inbox, 'd')
    expect((await inbox.metrics()).queue_depth).toBe(1)
    expect(await depths(inbox)).toMatchObject({ counted: 1, rows: 1 })
    // Another event under the id of one that is gone waits for itself.
    await inbox.postId('a')
    expect((await inbox.metrics()).queue_depth).toBe(2)
    await remove(inbox, 'a')
    expect(await inbox.metrics()).toMatchObject({ total: 1, queue_depth: 1 })
  })
  await inbox.restartShards()
  await settled(inbox)
  expect((await inbox.rows()).map(({ event_id }) => event_id)).toEqual(['c'])
})

test('is right when an event is deleted while it is on its way to D1', async ({ inbox, steer }) => {
  await steer({ hold: ['answers'] })
  await inbox.postId('on-its-way')
  await expect.poll(async () => (await steer()).answers).toBe(1)
  expect((await inbox.metrics()).queue_depth).toBe(1)
  await remove(inbox, 'on-its-way')
  expect((await inbox.metrics()).queue_depth).toBe(0)
  await steer({ hold: [] })
  await settled(inbox)
  expect(await inbox.rows("event_id = 'on-its-way'")).toEqual([])
})

test('is right when an event that D1 refuses is deleted, whether it waits, is given up, or is on its way', async ({
  inbox,
  steer,
}) => {
  const before = await settled(inbox)
  await refuse(inbox, 'INSERT', 'refused')
  await inbox.postId('refused')
  await expect.poll(() => parked(inbox)).toHaveLength(1)
  expect((await inbox.metrics()).queue_depth).toBe(1)
  await remove(inbox, 'refused')
  await settled(inbox)

  await inbox.postId('refused')
  await expect.poll(() => parked(inbox, 'retry_at IS NULL')).toHaveLength(1)
  expect((await inbox.metrics()).queue_depth).toBe(0)
  await remove(inbox, 'refused')
  await settled(inbox)

  await inbox.postId('refused')
  await expect.poll(() => parked(inbox)).toHaveLength(1)
  await steer({ hold: ['answers'] })
  await inbox.takeAgain()
  await expect.poll(async () => (await steer()).answers).toBe(1)
  await remove(inbox, 'refused')
  expect((await inbox.metrics()).queue_depth).toBe(0)
  await steer({ hold: [] })
  // Nothing that was deleted on its way is told as stored.
  expect(await settled(inbox)).toBe(before)

  await refuse(inbox, 'INSERT', 'refused')
  await steer({ hold: ['answers'] })
  await inbox.postId('refused')
  await expect.poll(async () => (await steer()).answers).toBe(1)
  await remove(inbox, 'refused')
  await steer({ hold: [] })
  await settled(inbox)
  expect(await parked(inbox)).toEqual([])
  await inbox.takeAgain()
})

test('what D1 takes after all is told as any other event that was stored', async ({ inbox }) => {
  const before = await settled(inbox)
  await refuse(inbox, 'INSERT', 'late')
  await inbox.postId('late')
  await expect.poll(() => parked(inbox)).toHaveLength(1)
  const refusedAt = (await inbox.metrics()).last_processed_at ?? ''
  await inbox.takeAgain()
  await inbox.drained()
  expect(await settled(inbox)).toBe(before + 1)
  expect((await inbox.metrics()).last_processed_at ?? '').toSatisfy((at: string) => at > refusedAt)
})

test('has no part in a change that D1 refuses, nor in the deletion of its event', async ({
  inbox,
}) => {
  await inbox.postId('changed')
  await settled(inbox)
  await refuse(inbox, 'UPDATE', 'changed')
  await inbox.ack('changed')
  await expect.poll(() => parked(inbox)).toHaveLength(1)
  expect((await inbox.metrics()).queue_depth).toBe(0)
  await remove(inbox, 'changed')
  await settled(inbox)
  await inbox.takeAgain()
})

test('a listing tells nothing of what came in while it waited for D1', async ({ inbox, steer }) => {
  await steer({ hold: ['answers'] })
  await inbox.postId('before')
  await expect.poll(async () => (await steer()).answers).toBe(1)
  const listing = inbox.get('/inbox?limit=1')
  await inbox.metrics()
  for (let n = 0; n < 5; n++) await inbox.postId(`later-${n}`)
  await steer({ hold: [] })
  // None, or the one that came before, should its two seconds be over.
  expect((await listing).body.unstored).toBeLessThanOrEqual(1)
  await settled(inbox)
})
