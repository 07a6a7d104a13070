import { expect } from 'vitest'
import { SCHEMA } from '../support/schema'
import { test as base, type Inbox, type Row } from '../support/world'

/** What docs/operating.md says of a D1 that was restored to an earlier moment: shards know nothing of it. */

const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '1' })

const INSERT = `INTO events SELECT value ->> 'event_id', value ->> 'payload', value ->> 'metadata',
  value ->> 'status', value ->> 'created_at', value ->> 'updated_at', value ->> 'retry_count',
  value ->> 'correlation_id', value ->> 'subscriptions' FROM json_each(?)`

/** Puts rows into `events`, as the export of a table does. */
function inserting({ db }: Inbox, rows: Row[], how: 'INSERT' | 'INSERT OR REPLACE' = 'INSERT') {
  return db.prepare(`${how} ${INSERT}`).bind(JSON.stringify(rows))
}

/** Remembers what D1 holds; what it returns makes D1 hold that again at once, and nothing else, as Time Travel does. */
async function momentOf(inbox: Inbox): Promise<() => Promise<void>> {
  await listed(inbox)
  const { db } = inbox
  const events = await inbox.rows()
  const others = ['letters', 'dead_letters', 'fences']
  for (const table of others) await db.exec(`CREATE TABLE ${table}_then AS SELECT * FROM ${table}`)
  const anew = ['DROP TABLE IF EXISTS events_held', ...SCHEMA, 'DELETE FROM events']
  const again = others.flatMap((table) => [
    `DELETE FROM ${table}`,
    `INSERT INTO ${table} SELECT * FROM ${table}_then`,
    `DROP TABLE ${table}_then`,
  ])
  const statements = [...anew, ...again].map((sql) => db.prepare(sql))
  return async () => void (await db.batch([...statements, inserting(inbox, events)]))
}

async function listed(inbox: Inbox): Promise<Record<string, string>> {
  const { data } = await inbox.client.list({ limit: 1_000 })
  return Object.fromEntries(data.map(({ event_id, status }) => [event_id, status]))
}

const letters = async (inbox: Inbox) =>
  (await inbox.deadLetters()).map(({ event_id }) => event_id).toSorted()

const remove = (inbox: Inbox, id: string) => inbox.call('DELETE', `/inbox/${id}`)

test('after a restore new events go on arriving, and what was written since is as the guide says', async ({
  inbox,
}) => {
  for (const id of ['kept', 'acked', 'deleted']) await inbox.postId(id)
  const restore = await momentOf(inbox)
  await inbox.postId('lost')
  expect((await inbox.ack('acked')).status).toBe(200)
  expect((await remove(inbox, 'deleted')).status).toBe(200)
  expect(await listed(inbox)).toEqual({ kept: 'pending', acked: 'delivered', lost: 'pending' })
  await restore()

  await inbox.postId('new')
  const after = { kept: 'pending', acked: 'pending', deleted: 'pending', new: 'pending' }
  expect(await listed(inbox)).toEqual(after)

  // Stored since: the shard knows it, without its body.
  expect((await inbox.get('/inbox/lost')).status).toBe(404)
  expect((await inbox.post({ event_id: 'lost', payload: {} })).status).toBe(409)
  expect((await remove(inbox, 'lost')).status).toBe(200)
  await inbox.postId('lost')
  expect(await listed(inbox)).toEqual({ ...after, lost: 'pending' })

  // Changed since: the shard's word counts, but for listings.
  expect((await inbox.event('acked')).status).toBe('delivered')
  expect((await inbox.ack('acked')).status).toBe(409)

  // Deleted since: only listings know it, and it stands in the way of another event with its id.
  expect((await inbox.get('/inbox/deleted')).status).toBe(404)
  expect((await remove(inbox, 'deleted')).status).toBe(404)
  await inbox.postId('deleted')
  await expect.poll(async () => (await inbox.event('deleted')).status).toBe('failed')
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'deleted'")
  expect((await inbox.retry('deleted')).status).toBe(200)
  await expect.poll(async () => (await listed(inbox)).deleted).toBe('pending')
})

test('after a restore a dead letter of since then is not listed, and redriven all the same', async ({
  inbox,
}) => {
  for (const id of ['redriven', 'failed']) await inbox.postId(id)
  expect((await inbox.nack('redriven')).status).toBe(200)
  await expect.poll(() => letters(inbox)).toContain('redriven')
  const restore = await momentOf(inbox)
  expect((await inbox.retry('redriven')).status).toBe(200)
  expect((await inbox.nack('failed')).status).toBe(200)
  await listed(inbox)
  await expect.poll(() => letters(inbox)).toContain('failed')
  expect(await letters(inbox)).not.toContain('redriven')
  await restore()

  expect(await letters(inbox)).toContain('redriven')
  expect(await letters(inbox)).not.toContain('failed')
  expect((await inbox.metrics()).dlq_count).toBe(1)
  expect(await inbox.client.redrive({ all: true })).toEqual({ redriven: 1, skipped: 0 })
  expect((await inbox.event('failed')).status).toBe('pending')
  expect((await remove(inbox, 'redriven')).status).toBe(200)
  await listed(inbox)
  expect(await letters(inbox)).not.toContain('redriven')
})

test('with the table away from before the restore until after it, nothing is lost', async ({
  inbox,
}) => {
  await inbox.postId('erased')
  const restore = await momentOf(inbox)
  await inbox.postId('stored')
  await listed(inbox)
  // The accident.
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'erased'")

  await inbox.db.exec('ALTER TABLE events RENAME TO events_held')
  await inbox.postId('meanwhile')
  const { results: held } = await inbox.db.prepare('SELECT * FROM events_held').all<Row>()
  await restore()
  await inserting(inbox, held, 'INSERT OR REPLACE').run()

  await expect
    .poll(async () => listed(inbox))
    .toMatchObject({ erased: 'pending', stored: 'pending', meanwhile: 'pending' })
})

test('what is written to D1 by hand is known to no shard, and the shard has the last word', async ({
  inbox,
}) => {
  await inbox.postId('touched')
  await inbox.postId('wiped')
  await listed(inbox)
  const rows = await inbox.rows("event_id = 'touched'")
  await inserting(
    inbox,
    rows.map((row) => ({ ...row, event_id: 'foreign' })),
  ).run()
  await inbox.db.exec("UPDATE events SET status = 'delivered' WHERE event_id = 'touched'")
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'wiped'")

  expect(await listed(inbox)).toMatchObject({ foreign: 'pending', touched: 'delivered' })
  expect((await inbox.get('/inbox/foreign')).status).toBe(404)
  expect((await inbox.ack('foreign')).status).toBe(404)
  expect((await inbox.event('touched')).status).toBe('pending')
  expect((await inbox.get('/inbox/wiped')).status).toBe(404)
  expect((await inbox.post({ event_id: 'wiped', payload: {} })).status).toBe(409)
  expect((await inbox.nack('touched')).status).toBe(200)
  expect(await listed(inbox)).toMatchObject({ touched: 'failed' })
})
