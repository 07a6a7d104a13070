import { expect } from 'vitest'
import type { DeadLetter } from '../../client/types'
import { recordLetters } from '../../d1/dead-letters'
import { type Inbox, test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '1' })

const fail = async (inbox: Inbox, id: string) => {
  await inbox.postId(id)
  await inbox.nack(id, 'no')
  await expect
    .poll(async () => (await inbox.deadLetters()).map(({ event_id }) => event_id))
    .toContain(id)
}

/** Has D1 hold a letter as a worker of the version before recorded it. */
const asBefore = async (inbox: Inbox, id: string) => {
  const [letter] = (await inbox.deadLetters()).filter(({ event_id }) => event_id === id)
  const { subscription: _, ...former } = letter as DeadLetter
  await recordLetters(inbox.db, [former])
  return letter
}

const listed = async (inbox: Inbox, query = '') => {
  const { body } = await inbox.get<DeadLetter[]>(`/dlq?${query}`)
  return body.data.map(({ event_id, subscription }) => `${event_id}: ${subscription}`)
}

test('letters that the version before recorded are listed among the others, newest first', async ({
  inbox,
}) => {
  const ids = ['l1', 'l2', 'l3', 'l4', 'l5', 'l6']
  const before = []
  for (const [n, id] of ids.entries()) {
    await fail(inbox, id)
    if (n % 2 === 0) before.push(await asBefore(inbox, id))
  }
  const all = await inbox.deadLetters()
  await inbox.db.exec("DELETE FROM letters WHERE event_id IN ('l1', 'l3', 'l5')")
  // Their answer is the same, field by field.
  expect(await inbox.deadLetters()).toEqual(all)
  expect(before).toHaveLength(3)
  const newestFirst = ids.toReversed().map((id) => `${id}: inbox`)
  expect(await listed(inbox)).toEqual(newestFirst)
  for (const [offset, first] of newestFirst.entries())
    expect(await listed(inbox, `limit=2&offset=${offset}`)).toEqual(
      [first, newestFirst[offset + 1]].filter(Boolean),
    )
  await inbox.expectVerified()
})

test('one that is there in both ways is listed once, and goes in both', async ({ inbox }) => {
  const rows = async (table: string) =>
    (await inbox.db.prepare(`SELECT event_id FROM ${table} ORDER BY event_id`).all()).results.length
  await fail(inbox, 'both')
  await asBefore(inbox, 'both')
  expect(await listed(inbox, 'limit=1')).toEqual(['both: inbox'])
  expect(await listed(inbox)).toHaveLength(7)
  await inbox.expectVerified()
  expect([await rows('letters'), await rows('dead_letters')]).toEqual([4, 4])
  await inbox.retry('both')
  await inbox.call('DELETE', '/inbox/l1')
  await inbox.call('DELETE', '/inbox/l2')
  await inbox.expectVerified()
  expect([await rows('letters'), await rows('dead_letters')]).toEqual([2, 2])
})

test('one that no shard has is taken out, in whichever way it is there', async ({ inbox }) => {
  const [letter] = await inbox.deadLetters()
  const { subscription: _, ...former } = { ...(letter as DeadLetter), event_id: 'stray' }
  await recordLetters(inbox.db, [former, { ...former, subscription: 'billing' }])
  // The failure is the same, so it is listed under its name.
  expect(await listed(inbox)).toContain('stray: billing')
  expect(await listed(inbox)).not.toContain('stray: inbox')
  expect(await inbox.verify()).toMatchObject({
    differences: [{ what: 'stray_dead_letters', expected: 0, found: 1 }],
  })
  expect(await inbox.verify()).toMatchObject({
    differences: [{ what: 'stray_dead_letters', expected: 0, found: 1 }],
  })
  await inbox.expectVerified()
})

test('a letter that a worker of the version before recorded without its subscription is no difference', async ({
  inbox,
}) => {
  const [letter] = await inbox.deadLetters()
  const { subscription: _, ...former } = letter as DeadLetter
  const { event_id, failed_at } = former
  const named = "SET subscription = 'billing' WHERE event_id = ?"
  await inbox.shardRows(0, `UPDATE letters ${named}`, event_id)
  await inbox.shardRows(0, 'UPDATE letters SET recorded = 0 WHERE event_id = ?', event_id)
  await inbox.db.prepare('DELETE FROM letters WHERE event_id = ?').bind(event_id).run()
  await recordLetters(inbox.db, [former])
  const failure = { event_id, failed_at: Date.parse(failed_at) }
  expect(await inbox.shard(0).recorded([failure])).toEqual([true])
  expect(await listed(inbox)).toContain(`${event_id}: inbox`)
  expect(await inbox.verify()).toMatchObject({ differences: [], behind: ['dead_letters'] })
  // It comes again, and takes the place of the nameless one.
  await recordLetters(inbox.db, [{ ...former, subscription: 'billing' }])
  expect(await inbox.shard(0).recorded([{ ...failure, subscription: 'billing' }])).toEqual([true])
  expect(await listed(inbox)).toContain(`${event_id}: billing`)
  expect(await listed(inbox)).not.toContain(`${event_id}: inbox`)
  await inbox.expectVerified()
})
