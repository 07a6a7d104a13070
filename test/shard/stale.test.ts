import { DatabaseSync } from 'node:sqlite'
import { expect, test as plain } from 'vitest'
import { MIGRATIONS } from '../../objects/store/tables'
import { listed } from '../support/listing'
import { type Inbox, test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1' })

const list = async (inbox: Inbox, query = '') => {
  const page = await listed(inbox, `order=asc&sort=event_id&${query}`)
  const { unstored, stale, total, data } = page
  return { unstored, stale, total, shown: data.map(({ event_id, status }) => [event_id, status]) }
}
const remove = (inbox: Inbox, id: string) => inbox.call('DELETE', `/inbox/${id}`)
const parked = (inbox: Inbox) => inbox.shardRows(0, 'SELECT event_id FROM parked')
const refuse = (inbox: Inbox, what: 'UPDATE' | 'DELETE', id: string) =>
  inbox.refuse(what, `OLD.event_id = '${id}'`)

test('a listing says how many events are missing from it, and how many changes it does not show yet', async ({
  inbox,
}) => {
  for (const id of ['a', 'b', 'c']) await inbox.postId(id)
  const all = [
    ['a', 'pending'],
    ['b', 'pending'],
    ['c', 'pending'],
  ]
  expect(await list(inbox)).toEqual({ unstored: 0, stale: 0, total: 3, shown: all })

  // D1 answers queries, and takes no write.
  await inbox.db.exec("CREATE TRIGGER away BEFORE INSERT ON fences BEGIN SELECT json('{'); END")
  await inbox.ack('a')
  expect(await list(inbox)).toEqual({ unstored: 0, stale: 1, total: 3, shown: all })
  await remove(inbox, 'b')
  await inbox.postId('d')
  expect(await list(inbox)).toEqual({ unstored: 1, stale: 2, total: 3, shown: all })
  // Counted in D1, as the page is.
  expect(await list(inbox, 'from=2020-01-01')).toMatchObject({ stale: 2, total: 3, shown: all })
  await inbox.call('POST', '/inbox/ack', { event_ids: ['c', 'd'] })
  expect(await list(inbox)).toMatchObject({ unstored: 1, stale: 4 })
  // An event that never came to D1 is not missing any more, once it is deleted.
  await remove(inbox, 'd')
  expect(await list(inbox)).toMatchObject({ unstored: 0, stale: 5, total: 2 })
  const eventual = (await inbox.get('/inbox?consistency=eventual')).body
  expect(eventual).not.toHaveProperty('unstored')
  expect(eventual).not.toHaveProperty('stale')

  await inbox.db.exec('DROP TRIGGER away')
  await inbox.restartShards()
  const shown = [
    ['a', 'delivered'],
    ['c', 'delivered'],
  ]
  expect(await list(inbox)).toEqual({ unstored: 0, stale: 0, total: 2, shown })
})

test('changes and deletions that D1 refuses are told too, and for how long they have waited', async ({
  inbox,
}) => {
  const hourAgo = Date.now() - 3_600_000
  const waits = async () => (await inbox.metrics()).oldest_unstored_seconds
  for (const what of ['UPDATE', 'DELETE'] as const) {
    const id = `refused-${what}`
    await inbox.postId(id)
    await expect.poll(waits).toBe(0)
    // It came long before what is refused now.
    await inbox.shardRows(0, 'UPDATE events SET created_at = ? WHERE event_id = ?', hourAgo, id)
    await inbox.db
      .prepare('UPDATE events SET created_at = ? WHERE event_id = ?')
      .bind(new Date(hourAgo).toISOString(), id)
      .run()
    await refuse(inbox, what, id)
    await (what === 'UPDATE' ? inbox.ack(id) : remove(inbox, id))
    await expect.poll(() => parked(inbox)).toHaveLength(1)
    await expect.poll(() => inbox.shardRows(0, 'SELECT seq FROM journal')).toEqual([])
    expect(await list(inbox)).toMatchObject({ unstored: 0, stale: 1 })
    const seconds = await waits()
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(1_800)
    await inbox.takeAgain()
    await expect.poll(() => parked(inbox)).toEqual([])
    expect(await list(inbox)).toMatchObject({ unstored: 0, stale: 0 })
    expect(await waits()).toBe(0)
  }
})

plain('a shard of an older version knows which changes D1 has yet to be told of', () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  const before = MIGRATIONS.findIndex((statements) => statements.includes('ADD COLUMN changes'))
  for (const statements of MIGRATIONS.slice(0, before)) database.exec(statements)
  database.exec(`INSERT INTO journal (seq, accepted, entries, bodies) VALUES
    (1, 1, '[{"op":"accept","event_id":"a","payload":2,"metadata":null}]', '{}'),
    (2, 0, '[{"op":"change","event_id":"a"},{"op":"change","event_id":"b"}]', '')`)
  for (const statements of MIGRATIONS.slice(before)) database.exec(statements)
  expect(database.prepare('SELECT seq, changes FROM journal').all()).toEqual([
    { seq: 1, changes: 0 },
    { seq: 2, changes: 2 },
  ])
})
