import { expect, onTestFinished } from 'vitest'
import { addPast, DAY_MS, HOUR_MS } from '../support/past'
import { shardOf } from '../support/shards'
import { test } from '../support/steering'
import type { Inbox } from '../support/world'

const LOOKS = 8
const STATUSES = ['pending', 'delivered', 'failed'] as const
const NOW = Date.now()
/** When events came that nobody touches: two of these are told apart by the hour, two by the day. */
const QUIET = [30 * HOUR_MS, 31 * HOUR_MS, 9 * DAY_MS, 400 * DAY_MS].map((ago) => NOW - ago)
const TOUCHED = NOW - 12 * DAY_MS
const idsOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${name}-${n}`)
/** The quiet periods, as an answer would name them. */
const QUIET_PERIODS = QUIET.flatMap((at) =>
  [10, 13].map((end) => new Date(at).toISOString().slice(0, end)),
)

/** Posts, acks, fails and deletes new events and old ones, until it is told to stop. */
function startLoad(inbox: Inbox, name: string) {
  let loading = true
  let count = 0
  const old = idsOf('touched', 400)
  const lane = async (index: number) => {
    for (let n = 0; loading; n++, count++) {
      const id = await inbox.postId(`${name}-${index}-${n}`)
      const any = (n % 3 === 0 && old.pop()) || id
      if (n % 4 === 0) await inbox.ack(any)
      if (n % 4 === 1) await inbox.call('DELETE', `/inbox/${any}`)
      if (n % 4 === 2) for (let nacks = 0; nacks < 3; nacks++) await inbox.nack(any, 'no')
      // Its letter comes late.
      if (n % 8 === 2) await inbox.call('DELETE', `/inbox/${any}`)
      if (n % 8 === 6) await inbox.retry(any)
    }
  }
  const lanes = Promise.all([0, 1, 2, 3].map(lane))
  const stop = async () => {
    loading = false
    await lanes
  }
  onTestFinished(stop)
  return { count: () => count, stop }
}

test('tells no false difference while events come, change and go, and says what it did not compare', async ({
  inbox,
  steer,
}) => {
  for (const [n, at] of QUIET.entries())
    for (const status of STATUSES)
      await addPast(inbox, idsOf(`quiet-${status}-${n}`, 20), status, at)
  await addPast(inbox, idsOf('touched', 400), 'pending', TOUCHED)
  await inbox.expectVerified()

  await steer({ readMs: 300 })
  const load = startLoad(inbox, 'slow')
  let lookedAway = 0
  for (let look = 0; look < LOOKS; look++) {
    const found = await inbox.verify()
    expect(found).toMatchObject({ verified: true, differences: [], resent_dead_letters: 0 })
    // What nobody touched was compared; the present hour cannot be, unless the load paused.
    const left = [...found.behind, ...found.moving]
    expect(left.filter((each) => QUIET_PERIODS.includes(each))).toEqual([])
    if (left.some((each) => each.length === 'yyyy-mm-ddThh'.length)) lookedAway++
  }
  expect(lookedAway).toBeGreaterThan(0)
  expect(load.count()).toBeGreaterThan(LOOKS)
  await load.stop()
  await steer({ readMs: 0 })
  await inbox.expectVerified()
}, 120_000)

test('finds what is wrong under the same load, says where, and sends lost dead letters again', async ({
  inbox,
}) => {
  const load = startLoad(inbox, 'fast')
  const { db } = inbox
  const period = new Date(QUIET[2] ?? 0).toISOString().slice(0, 10)
  const difference = (what: string, expected: number, found: number) => ({
    where: 'D1',
    what,
    expected,
    found,
    period,
  })

  await db.exec("CREATE TABLE kept AS SELECT * FROM events WHERE event_id = 'quiet-pending-2-7'")
  await db.exec("DELETE FROM events WHERE event_id = 'quiet-pending-2-7'")
  expect(await inbox.verify()).toMatchObject({
    verified: false,
    differences: [difference('pending', 20, 19)],
  })
  await db.exec('INSERT INTO events SELECT * FROM kept')
  expect((await inbox.verify()).differences).toEqual([])

  await db.exec("UPDATE events SET status = 'delivered' WHERE event_id = 'quiet-pending-2-7'")
  expect((await inbox.verify()).differences).toEqual([
    difference('pending', 20, 19),
    difference('delivered', 20, 21),
  ])
  await db.exec("UPDATE events SET status = 'pending' WHERE event_id = 'quiet-pending-2-7'")

  const counted = ['pending', 'delivered', 'failed', 'queue_depth']
  for (const [n, what] of counted.entries()) {
    const shard = n % 2
    await inbox.shardRows(shard, `UPDATE counters SET ${what} = ${what} + 5`)
    const { differences } = await inbox.verify()
    expect(differences).toContainEqual(expect.objectContaining({ where: `shard-${shard}`, what }))
    await inbox.shardRows(shard, `UPDATE counters SET ${what} = ${what} - 5`)
  }

  const lost = idsOf('quiet-failed-1', 3)
  const isLost = `event_id IN ('${lost.join("', '")}')`
  const letters = () => db.prepare(`SELECT * FROM letters WHERE ${isLost}`).all()
  const before = (await letters()).results
  expect(before).toHaveLength(3)
  await db.exec(`DELETE FROM letters WHERE ${isLost}`)
  const found = await inbox.verify()
  expect(found).toMatchObject({ verified: false, resent_dead_letters: 3 })
  expect(found.differences).toEqual([
    { where: 'D1', what: 'dead_letters', expected: expect.any(Number), found: expect.any(Number) },
  ])
  const { expected, found: inD1 } = found.differences[0] as { expected: number; found: number }
  expect(expected - inD1).toBe(3)
  await expect.poll(async () => (await letters()).results.length).toBe(3)
  expect((await letters()).results).toMatchObject(
    before.map(({ event_id, shard, failed_at }) => ({ event_id, shard, failed_at })),
  )
  await load.stop()
  await inbox.expectVerified()
}, 120_000)

test('takes a dead letter that no shard has out of D1, and says so', async ({ inbox, steer }) => {
  const id = 'quiet-failed-1-0'
  const add = (event_id: string, shard: string) =>
    inbox.db
      .prepare("INSERT OR REPLACE INTO letters VALUES (?, 'inbox', ?, 'r', 3, 'c', ?)")
      .bind(event_id, shard, new Date(NOW - 500 * DAY_MS).toISOString())
      .run()
  // As one that comes late: the queue's consumer takes it out at once.
  await add('late', 'shard-0')
  const queries = async () => (await steer()).letterQueries
  const before = await queries()
  const looking = inbox.verify()
  await expect.poll(queries, { interval: 5 }).toBeGreaterThan(before)
  await inbox.db.exec("DELETE FROM letters WHERE event_id = 'late'")
  expect(await looking).toMatchObject({ verified: true, differences: [] })

  await add('stray', 'shard-0')
  await add('foreign', 'shard-99')
  expect(await inbox.verify()).toMatchObject({
    verified: false,
    differences: [{ where: 'D1', what: 'stray_dead_letters', expected: 0, found: 2 }],
  })
  await inbox.expectVerified()
  // An older one in the place of one that stands: that one is lost.
  await add(id, `shard-${shardOf(id)}`)
  const found = await inbox.verify()
  expect(found).toMatchObject({ verified: false, resent_dead_letters: 1 })
  expect(found.differences).toContainEqual(expect.objectContaining({ what: 'dead_letters' }))
  await inbox.expectVerified()
  expect((await inbox.event(id)).status).toBe('failed')
})
