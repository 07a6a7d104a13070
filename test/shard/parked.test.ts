import { expect } from 'vitest'
import { logged } from '../support/logs'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '2' })

/** From now on D1 refuses to store this event, until the trigger goes. */
const refuse = (inbox: Inbox, id: string) => inbox.refuse('INSERT', `NEW.event_id = '${id}'`)

const parked = (inbox: Inbox, id: string) =>
  inbox.shardRows(0, 'SELECT attempts FROM parked WHERE event_id = ?', id)

test('an event that D1 refuses is tried MAX_RETRIES times, and as often again once it is redriven', async ({
  inbox,
  server,
}) => {
  await refuse(inbox, 'refused')
  await inbox.postId('refused')
  const failed = () => expect.poll(async () => (await inbox.event('refused')).status).toBe('failed')
  const attempts = () => logged(server, 'D1 refused an event').map((line) => line.attempts)
  await failed()
  await expect.poll(attempts).toEqual([1, 2])
  expect((await inbox.event('refused')).retry_count).toBe(2)
  server.clearLogs()
  expect((await inbox.retry('refused')).status).toBe(200)
  await failed()
  await expect.poll(attempts).toEqual([1, 2])
  expect((await inbox.event('refused')).retry_count).toBe(5)
  expect(await parked(inbox, 'refused')).toEqual([{ attempts: 2 }])
  await inbox.takeAgain()
  await inbox.retry('refused')
  await inbox.drained()
  await inbox.expectVerified()
})

test('one that is deleted while D1 is asked to take it is not counted as stored', async ({
  inbox,
  steer,
}) => {
  await inbox.drained()
  const storedTotal = async () =>
    (await inbox.shardRows(0, 'SELECT stored_total, queue_depth FROM counters'))[0]
  const before = await storedTotal()
  await refuse(inbox, 'deleted')
  await inbox.postId('deleted')
  await expect.poll(() => parked(inbox, 'deleted')).toHaveLength(1)
  await inbox.takeAgain()
  await steer({ hold: ['writes'] })
  await expect.poll(() => steer()).toMatchObject({ writes: 1 })
  expect((await inbox.call('DELETE', '/inbox/deleted')).status).toBe(200)
  await steer({ hold: [] })
  await expect.poll(() => inbox.shardRows(0, 'SELECT 1 FROM journal')).toEqual([])
  expect(await storedTotal()).toEqual(before)
  expect(await inbox.rows("event_id = 'deleted'")).toEqual([])
  await inbox.expectVerified()
})

test('an event whose first answer was lost has its failed attempts in D1 too', async ({
  inbox,
  steer,
}) => {
  await steer({ loseAnswers: true })
  await inbox.postId('lost')
  await expect.poll(async () => (await inbox.event('lost')).retry_count).toBeGreaterThan(0)
  expect(await inbox.rows("event_id = 'lost'")).toMatchObject([{ retry_count: 0 }])
  await steer({ loseAnswers: false })
  await inbox.drained()
  const { retry_count } = await inbox.event('lost')
  expect(await inbox.rows("event_id = 'lost'")).toMatchObject([{ retry_count }])
  await inbox.expectVerified()
})

test('a listing does not ask a D1 that is backed off from', async ({ inbox, steer }) => {
  await steer({ loseAnswers: true })
  await inbox.postId('behind')
  const attempts = async () =>
    (await inbox.shardRows(0, 'SELECT attempts FROM journal'))[0]?.attempts ?? 0
  await expect.poll(attempts).toBe(1)
  for (let n = 0; n < 20; n++) expect(await inbox.shard(0).flush()).toMatchObject({ unstored: 1 })
  // Its alarm may have tried again meanwhile, a second or more apart.
  expect(await attempts()).toBeLessThan(10)
  await steer({ loseAnswers: false })
  await inbox.drained()
})
