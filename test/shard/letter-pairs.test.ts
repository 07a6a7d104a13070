import { expect } from 'vitest'
import type { RedriveWish } from '../../client/types'
import { addPast, DAY_MS } from '../support/past'
import { type Inbox, test as base } from '../support/world'

/** Both take every event. */
const SUBSCRIPTIONS = JSON.stringify([{ name: 'stock' }, { name: 'billing' }])
const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '1', SUBSCRIPTIONS })

async function failIn(inbox: Inbox, id: string, subscription: string, error: string) {
  const answer = await inbox.call('POST', `/inbox/${id}/nack`, { subscription, error })
  expect(answer.status).toBe(200)
}

async function lettersOf(inbox: Inbox, id: string): Promise<string[]> {
  const letters = (await inbox.deadLetters()).filter(({ event_id }) => event_id === id)
  return letters.map(({ subscription, reason }) => `${subscription}: ${reason}`).toSorted()
}

/** An event that has failed in both. */
async function failTwice(inbox: Inbox, id: string) {
  await inbox.postId(id)
  await failIn(inbox, id, 'stock', 'no')
  await failIn(inbox, id, 'billing', `${id} is late`)
  await expect.poll(() => lettersOf(inbox, id)).toEqual([`billing: ${id} is late`, 'stock: no'])
  await inbox.drained()
}

const redrive = async (inbox: Inbox, which: RedriveWish) =>
  (await inbox.client.redrive(which)).redriven

const counted = async (inbox: Inbox) => (await inbox.metrics()).dlq_count

test('an event that failed in two subscriptions has two letters; a redrive by reason takes one', async ({
  inbox,
}) => {
  await failTwice(inbox, 'two')
  expect(await lettersOf(inbox, 'two')).toEqual(['billing: two is late', 'stock: no'])
  expect(await counted(inbox)).toBe(2)
  expect(await inbox.get('/dlq?limit=1')).toMatchObject({ body: { total: 2 } })
  expect((await inbox.get('/metrics?format=prometheus')).text).toContain(
    '\nevent_inbox_dead_letters 2\n',
  )
  await inbox.expectVerified()

  expect(await redrive(inbox, { reason: 'two is late' })).toBe(1)
  await expect.poll(() => lettersOf(inbox, 'two')).toEqual(['stock: no'])
  expect(await counted(inbox)).toBe(1)
  await inbox.expectVerified()

  // It was opened there alone, and fails there again.
  await failIn(inbox, 'two', 'billing', 'no more')
  await expect.poll(() => lettersOf(inbox, 'two')).toEqual(['billing: no more', 'stock: no'])
  expect((await inbox.event('two')).status).toBe('failed')
  expect(await counted(inbox)).toBe(2)
  expect((await inbox.call('POST', '/inbox/two/retry', { subscription: 'stock' })).status).toBe(200)
  await expect.poll(() => lettersOf(inbox, 'two')).toEqual(['billing: no more'])
  expect(await counted(inbox)).toBe(1)
  await inbox.expectVerified()
})

test('an event that D1 refused has one letter for all of its subscriptions that it was open in', async ({
  inbox,
}) => {
  const before = await counted(inbox)
  await inbox.refuse('INSERT', "NEW.event_id LIKE 'given-up-%'")
  await inbox.withoutD1(async () => {
    for (const id of ['given-up-1', 'given-up-2']) {
      await inbox.postId(id)
      await failIn(inbox, id, 'billing', 'late')
    }
  })
  const refused = expect.stringMatching(/^: The database refused the event/)
  for (const id of ['given-up-1', 'given-up-2'])
    await expect.poll(() => lettersOf(inbox, id)).toEqual([refused, 'billing: late'])
  expect(await counted(inbox)).toBe(before + 4)
  await inbox.takeAgain()
  // Each is redriven where its letter says, and the other letters stay.
  const [{ reason } = { reason: '' }] = (await inbox.deadLetters()).filter(
    ({ subscription }) => subscription === '',
  )
  expect(await redrive(inbox, { reason })).toBe(2)
  for (const id of ['given-up-1', 'given-up-2'])
    await expect.poll(() => lettersOf(inbox, id)).toEqual(['billing: late'])
  expect(await counted(inbox)).toBe(before + 2)
  expect((await inbox.event('given-up-1')).status).toBe('failed')
  expect(await inbox.retry('given-up-2')).toMatchObject({ status: 200 })
  expect((await inbox.event('given-up-2')).status).toBe('pending')
  await expect.poll(() => lettersOf(inbox, 'given-up-2')).toEqual([])
  await inbox.expectVerified()
})

test('a redrive by id, and a deletion, take all letters of an event', async ({ inbox }) => {
  for (const id of ['retried', 'redriven', 'deleted', 'kept']) await failTwice(inbox, id)
  const before = await counted(inbox)
  expect((await inbox.retry('retried')).status).toBe(200)
  expect(await redrive(inbox, { event_ids: ['redriven'] })).toBe(1)
  expect((await inbox.call('DELETE', '/inbox/deleted')).status).toBe(200)
  expect(await counted(inbox)).toBe(before - 6)
  for (const id of ['retried', 'redriven', 'deleted'])
    await expect.poll(() => lettersOf(inbox, id)).toEqual([])
  expect(await lettersOf(inbox, 'kept')).toEqual(['billing: kept is late', 'stock: no'])
  await inbox.expectVerified()
  expect(await redrive(inbox, { all: true })).toBeGreaterThan(0)
  await expect.poll(inbox.deadLetters).toEqual([])
  expect(await counted(inbox)).toBe(0)
})

test('a letter that D1 is told of late, by the journal or ahead of its turn, is the only one that goes', async ({
  inbox,
}) => {
  await failTwice(inbox, 'away')
  await inbox.withoutD1(async () => {
    expect(await redrive(inbox, { reason: 'away is late' })).toBe(1)
    await expect
      .poll(() => inbox.shardRows(0, 'SELECT 1 FROM journal WHERE attempts > 0'))
      .toHaveLength(1)
    expect(await lettersOf(inbox, 'away')).toHaveLength(2)
  })
  await inbox.expectVerified()
  expect(await lettersOf(inbox, 'away')).toEqual(['stock: no'])
})

test('so is one whose redrive D1 refused at first', async ({ inbox }) => {
  await failTwice(inbox, 'refused')
  await inbox.refuse('UPDATE', "OLD.event_id = 'refused'")
  expect(await redrive(inbox, { reason: 'refused is late' })).toBe(1)
  await expect
    .poll(() => inbox.shardRows(0, 'SELECT clears, clears_named FROM parked'))
    .toEqual([{ clears: 0, clears_named: expect.stringMatching(/^\[\["billing",\d+\]\]$/) }])
  expect(await lettersOf(inbox, 'refused')).toHaveLength(2)
  expect((await inbox.verify()).behind).toContain('dead_letters')
  await inbox.takeAgain()
  await inbox.expectVerified()
  expect(await lettersOf(inbox, 'refused')).toEqual(['stock: no'])
})

test('a comparison finds a wrong count of letters, and which letter of an event D1 lacks', async ({
  inbox,
}) => {
  await failTwice(inbox, 'compared')
  await inbox.expectVerified()
  await inbox.shardRows(0, 'UPDATE counters SET letters = letters + 5')
  const { differences } = await inbox.verify()
  const rows = (await inbox.deadLetters()).length
  expect(differences).toEqual([
    { where: 'shard-0', what: 'dead_letters', expected: rows, found: rows + 5 },
  ])
  await inbox.shardRows(0, 'UPDATE counters SET letters = letters - 5')

  // One is in the place of another.
  await inbox.db.exec(
    "UPDATE letters SET subscription = 'stray' WHERE event_id = 'compared' AND subscription = 'billing'",
  )
  expect(await inbox.verify()).toMatchObject({
    resent_dead_letters: 1,
    differences: [
      { where: 'D1', what: 'dead_letters' },
      { where: 'D1', what: 'stray_dead_letters', expected: 0, found: 1 },
    ],
  })
  await inbox.expectVerified()
  expect(await lettersOf(inbox, 'compared')).toEqual(['billing: compared is late', 'stock: no'])
})

test('a comparison skips no letter where a step of it ends within an event', async ({ inbox }) => {
  // Each has three letters, of which a step has 1,000.
  const ids = Array.from({ length: 700 }, (_, n) => `many-${String(n).padStart(3, '0')}`)
  await addPast(inbox, ids, 'failed', Date.now() - 9 * DAY_MS, { shards: 1 })
  const copies = (columns: string) => `
    INSERT INTO letters SELECT event_id, name.value, ${columns}
    FROM letters, json_each('["billing","stock"]') AS name WHERE event_id LIKE 'many-%'`
  await inbox.shardRows(0, copies('reason, failed_at, sent_at, recorded'))
  await inbox.shardRows(0, 'UPDATE counters SET letters = (SELECT count(*) FROM letters)')
  await inbox.db.prepare(copies('shard, reason, retry_count, correlation_id, failed_at')).run()
  await inbox.expectVerified()
  await inbox.db.exec("DELETE FROM letters WHERE event_id BETWEEN 'many-330' AND 'many-336'")
  expect(await inbox.verify()).toMatchObject({ resent_dead_letters: 21 })
  await inbox.expectVerified()
})
