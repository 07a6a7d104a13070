import { expect } from 'vitest'
import { type Inbox, test as base } from '../support/world'

// One shard, so that a batch is one row of its journal.
const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '10', LOG_LEVEL: 'error' })

const idsOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${name}-${n}`)

async function postBatch(inbox: Inbox, ids: string[]): Promise<void> {
  const batch = ids.map((event_id) => ({ event_id, payload: { event_id } }))
  expect((await inbox.call('POST', '/events', batch)).status).toBe(202)
}

const inD1 = async (inbox: Inbox, name: string) =>
  (await inbox.rows(`event_id LIKE '${name}-%'`)).length

const queueDepth = async (inbox: Inbox) => (await inbox.metrics()).queue_depth

const removed = (inbox: Inbox, ids: string[]) => inbox.shard(0).remove(ids)

/** A trigger that fails as a D1 does that is full: by an error that is no constraint. */
const fails = (name: string, on: string, when: string) =>
  `CREATE TRIGGER ${name} BEFORE ${on} ON events WHEN ${when} BEGIN SELECT json('{'); END`

/** From now on D1 fails each write that inserts, or deletes, more than so many events. */
async function takeAtOnce(inbox: Inbox, verb: 'INSERT' | 'DELETE', most: number): Promise<void> {
  await inbox.db.exec('CREATE TABLE written (rows INTEGER)')
  await inbox.db.exec('INSERT INTO written VALUES (0)')
  await inbox.db.exec(
    'CREATE TRIGGER begin_write AFTER UPDATE ON fences BEGIN UPDATE written SET rows = 0; END',
  )
  await inbox.db.exec(
    `CREATE TRIGGER count_write AFTER ${verb} ON events BEGIN UPDATE written SET rows = rows + 1; END`,
  )
  await inbox.db.exec(fails('slow', verb, `(SELECT rows FROM written) >= ${most}`))
}

async function takeAll(inbox: Inbox): Promise<void> {
  for (const name of ['begin_write', 'count_write', 'slow'])
    await inbox.db.exec(`DROP TRIGGER ${name}`)
  await inbox.db.exec('DROP TABLE written')
}

test('a full D1 is told of deletions first, and what they free is used for what waits', async ({
  inbox,
}) => {
  const old = idsOf('old', 10)
  await postBatch(inbox, old)
  await inbox.call('POST', '/inbox/ack', { event_ids: old })
  await inbox.drained()
  await inbox.db.exec(fails('full', 'INSERT', '(SELECT count(*) FROM events) >= 10'))
  const fresh = idsOf('new', 1_000)
  await postBatch(inbox, fresh)
  await expect.poll(async () => (await inbox.event('new-0')).retry_count).toBeGreaterThan(0)
  for (const id of old) expect((await inbox.call('DELETE', `/inbox/${id}`)).status).toBe(200)
  await expect.poll(() => inD1(inbox, 'old')).toBe(0)
  await expect.poll(() => inD1(inbox, 'new')).toBe(10)

  // Part of what came in together is stored, and part is not: each is there, and counted once.
  await expect.poll(() => queueDepth(inbox)).toBe(990)
  for (const id of ['new-0', 'new-9', 'new-10', 'new-999'])
    expect(await inbox.event(id)).toMatchObject({ status: 'pending', payload: { event_id: id } })
  for (const { event_id, retry_count } of await inbox.rows()) {
    expect(retry_count).toBeGreaterThan(0)
    expect((await inbox.event(event_id)).retry_count).toBe(retry_count)
  }
  expect(await inbox.metrics()).toMatchObject({ total: 1_000, pending: 1_000, failed: 0 })

  await inbox.db.exec('DROP TRIGGER full')
  await expect.poll(() => queueDepth(inbox), { timeout: 60_000 }).toBe(0)
  expect(await inD1(inbox, 'new')).toBe(1_000)
  await inbox.expectVerified()
}, 120_000)

test('a full D1 that takes few deletions at once is told of all of them, and of redrives', async ({
  inbox,
  server,
}) => {
  // A new one begins with the most there may be at once.
  await inbox.metrics()
  await server.getWorker<Env>().evictDurableObject('SHARD', { name: 'shard-0' })
  // More than one write could take, in any case.
  const gone = idsOf('gone', 1_100)
  await postBatch(inbox, gone.slice(0, 1_000))
  await postBatch(inbox, gone.slice(1_000))
  await inbox.postId('redriven')
  for (let n = 0; n < 10; n++) await inbox.nack('redriven')
  await inbox.drained()
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(1)
  await inbox.db.exec(fails('full', 'INSERT', "NEW.event_id LIKE 'waits-%'"))
  await takeAtOnce(inbox, 'DELETE', 300)
  await postBatch(inbox, idsOf('waits', 3))
  await removed(inbox, gone)
  expect((await inbox.retry('redriven')).status).toBe(200)
  await expect.poll(() => inD1(inbox, 'gone'), { timeout: 60_000 }).toBe(0)
  await expect.poll(inbox.deadLetters).toEqual([])
  expect(await inD1(inbox, 'waits')).toBe(0)
  expect(await inbox.rows("event_id = 'redriven'")).toHaveLength(1)
  // Three events are halved once, not ten times.
  expect((await inbox.event('waits-0')).retry_count).toBeLessThan(8)
  await takeAll(inbox)
  await inbox.db.exec('DROP TRIGGER full')
  await expect.poll(() => inD1(inbox, 'waits'), { timeout: 60_000 }).toBe(3)
  await inbox.expectVerified()
}, 180_000)

test('a write that is too much for D1 is told in parts, until all is there', async ({ inbox }) => {
  await takeAtOnce(inbox, 'INSERT', 60)
  const ids = idsOf('many', 1_000)
  await postBatch(inbox, ids)
  const ack = { event_ids: ids.slice(0, 400) }
  expect((await inbox.call('POST', '/inbox/ack', ack)).status).toBe(200)
  await removed(inbox, ids.slice(300, 500))
  await inbox.postId('many-single')
  await expect.poll(() => queueDepth(inbox), { timeout: 60_000 }).toBe(0)
  await takeAll(inbox)
  const { length } = await inbox.rows("event_id LIKE 'many-%' AND status = 'delivered'")
  expect([length, await inD1(inbox, 'many')]).toEqual([300, 801])
  for (const id of ['many-0', 'many-299', 'many-500', 'many-999']) {
    const [row] = await inbox.rows(`event_id = '${id}'`)
    expect(row?.payload).toBe(JSON.stringify({ event_id: id }))
    expect(row?.retry_count).toBe((await inbox.event(id)).retry_count)
  }
  await inbox.expectVerified()
}, 120_000)

test('parked events that are too many for D1 at once are told in parts too', async ({ inbox }) => {
  // The first write that lands makes the fence.
  await inbox.postId('before')
  await inbox.drained()
  await inbox.refuse('INSERT', "NEW.event_id LIKE 'parked-%'")
  await postBatch(inbox, idsOf('parked', 20))
  const parked = () => inbox.shardRows(0, 'SELECT 1 FROM parked')
  await expect.poll(async () => (await parked()).length).toBe(20)
  // Each waits for a while of its own. D1 takes nothing until all are due at once.
  const raiseFence = (by: number) =>
    inbox.db.prepare('UPDATE fences SET tick = tick + ?').bind(by).run()
  await raiseFence(1e15)
  await inbox.takeAgain()
  await takeAtOnce(inbox, 'INSERT', 7)
  const notDue = 'SELECT 1 FROM parked WHERE retry_at > ?'
  await expect.poll(() => inbox.shardRows(0, notDue, Date.now())).toEqual([])
  await raiseFence(-1e15)
  await expect.poll(async () => (await parked()).length, { timeout: 60_000 }).toBe(0)
  await takeAll(inbox)
  expect(await inD1(inbox, 'parked')).toBe(20)
  await inbox.expectVerified()
}, 120_000)
