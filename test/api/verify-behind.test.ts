import { expect } from 'vitest'
import { addPast, DAY_MS } from '../support/past'
import { type Inbox, test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1' })

const NOW = Date.now()
const DAYS = [5, 6, 7].map((ago) => NOW - ago * DAY_MS)
const [FIVE = '', SIX = '', SEVEN = ''] = DAYS.map((at) => new Date(at).toISOString().slice(0, 10))
const ALL = [SEVEN, SIX, FIVE]

/** Of the three days, but not of what a test makes beside them. */
const behind = async (inbox: Inbox) => {
  const found = await inbox.verify()
  return found.behind.filter((each) => ALL.includes(each))
}
const remove = async (inbox: Inbox, id: string) =>
  expect((await inbox.call('DELETE', `/inbox/${id}`)).status).toBe(200)
/** D1 answers queries, and takes no write. */
const stop = (inbox: Inbox) =>
  inbox.db.exec("CREATE TRIGGER away BEFORE INSERT ON fences BEGIN SELECT json('{'); END")
const goOn = async (inbox: Inbox) => {
  await inbox.db.exec('DROP TRIGGER away')
  await inbox.restartShards()
  await inbox.expectVerified()
}

test('compares all but the periods of which D1 has not been told everything', async ({ inbox }) => {
  for (const [n, at] of DAYS.entries()) {
    const ids = ['a', 'b', 'c'].map((name) => `${name}-${n}`)
    await addPast(inbox, ids, 'pending', at, { shards: 1 })
    await addPast(inbox, [`failed-${n}`], 'failed', at, { shards: 1 })
  }
  await inbox.expectVerified()

  await stop(inbox)
  await inbox.postId('new')
  const { created_at } = await inbox.event('new')
  const present = created_at.slice(0, 'yyyy-mm-ddThh'.length)
  expect(await inbox.verify()).toMatchObject({ verified: true, behind: [present] })
  await inbox.ack('a-0')
  expect(await behind(inbox)).toEqual([FIVE])
  await remove(inbox, 'a-1')
  expect(await behind(inbox)).toEqual([SIX, FIVE])
  // What is there to be compared still is.
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'b-2'")
  expect(await inbox.verify()).toMatchObject({
    verified: false,
    differences: [{ what: 'pending', expected: 3, found: 2, period: SEVEN }],
  })
  const columns = 'payload, metadata, status, created_at, updated_at, 0'
  await inbox.db.exec(
    `INSERT INTO events SELECT 'b-2', ${columns}, NULL, NULL FROM events WHERE event_id = 'a-2'`,
  )
  // As a version noted it that did not say when the event had come.
  const entries = `replace(entries, '"created_at"', '"before"')`
  await inbox.shardRows(0, `UPDATE journal SET entries = ${entries} WHERE entries LIKE '%delete%'`)
  expect(await behind(inbox)).toEqual(ALL)
  await goOn(inbox)
})

test('says nothing of a dead letter that D1 has yet to be told is none', async ({ inbox }) => {
  await stop(inbox)
  await inbox.retry('failed-0')
  await remove(inbox, 'failed-1')
  const found = await inbox.verify()
  expect(found).toMatchObject({ verified: true, differences: [], resent_dead_letters: 0 })
  expect(found.behind).toContain('dead_letters')
  const letters = await inbox.db.prepare('SELECT event_id FROM letters').all()
  expect(letters.results).toHaveLength(3)
  await goOn(inbox)
  // One that the queue has and D1 not yet.
  const record = (recorded: 0 | 1) =>
    inbox.shardRows(0, 'UPDATE letters SET recorded = ?', recorded)
  await record(0)
  await inbox.db.exec('CREATE TABLE kept AS SELECT * FROM letters')
  await inbox.db.exec('DELETE FROM letters')
  expect(await inbox.verify()).toMatchObject({ verified: true, behind: ['dead_letters'] })
  await inbox.db.exec('INSERT INTO letters SELECT * FROM kept')
  await record(1)
  await inbox.expectVerified()
})

test('compares nothing with a journal of over a thousand commits', async ({ inbox }) => {
  await stop(inbox)
  await inbox.shardRows(
    0,
    `INSERT INTO journal (seq, accepted, entries, bodies)
     WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers LIMIT 1001)
     SELECT n, 0, '[]', '' FROM numbers`,
  )
  expect(await behind(inbox)).toEqual(ALL)
  await inbox.shardRows(0, 'DELETE FROM journal WHERE seq < 10')
  expect(await behind(inbox)).toEqual([])
  await goOn(inbox)
})

test('does not compare what D1 refuses, as long as it is tried again', async ({ inbox }) => {
  const refuse = (what: 'INSERT' | 'UPDATE' | 'DELETE', id: string) => {
    const row = what === 'INSERT' ? 'NEW' : 'OLD'
    return inbox.refuse(what, `${row}.event_id = '${id}'`)
  }
  const parked = (where: string) =>
    expect.poll(() => inbox.shardRows(0, `SELECT 1 FROM parked WHERE ${where}`)).toHaveLength(1)
  const takeAgain = async () => {
    await inbox.takeAgain()
    await inbox.expectVerified()
  }
  await refuse('UPDATE', 'c-0')
  await inbox.ack('c-0')
  await parked("event_id = 'c-0'")
  expect(await behind(inbox)).toEqual([FIVE])
  await takeAgain()

  // When a deleted one had come is not known any more.
  await refuse('DELETE', 'c-1')
  await remove(inbox, 'c-1')
  await parked("event_id = 'c-1'")
  expect(await behind(inbox)).toEqual(ALL)
  await takeAgain()

  await refuse('INSERT', 'refused')
  await inbox.postId('refused')
  await parked("event_id = 'refused'")
  const { created_at } = await inbox.event('refused')
  expect((await inbox.verify()).behind).toContain(created_at.slice(0, 'yyyy-mm-ddThh'.length))
  await parked("event_id = 'refused' AND retry_at IS NULL")
  await inbox.expectVerified()
  await inbox.takeAgain()
})

test('counts more events and dead letters than fit one step', async ({ inbox }) => {
  const ids = Array.from({ length: 52_000 }, (_, n) => `many-${String(n).padStart(5, '0')}`)
  await addPast(inbox, ids.slice(0, 49_500), 'pending', DAYS[0] ?? 0, { shards: 1 })
  await addPast(inbox, ids.slice(49_500), 'failed', DAYS[1] ?? 0, { shards: 1 })
  await inbox.expectVerified()
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'many-51999'")
  await inbox.db.exec("DELETE FROM letters WHERE event_id IN ('many-49500', 'many-51998')")
  expect(await inbox.verify()).toMatchObject({
    resent_dead_letters: 2,
    differences: [{ what: 'failed' }, { what: 'dead_letters' }],
  })
})
