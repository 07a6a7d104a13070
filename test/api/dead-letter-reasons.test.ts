import { expect } from 'vitest'
import type { DeadLetter } from '../../client/types'
import { LIMITS } from '../../shared/limits'
import { type Inbox, test as base } from '../support/world'

const SUBSCRIPTIONS = JSON.stringify([
  { name: 'billing', filter: { 'payload.billing': true } },
  { name: 'stock', filter: { 'payload.stock': true } },
])
const test = base.override('vars', { SUBSCRIPTIONS, MAX_RETRIES: '1' })

interface Answer {
  data: (DeadLetter & { count: number; subscriptions: string[] })[]
  total: number | null
  complete?: boolean
}

/** Has an event fail in these subscriptions, for these reasons. */
async function fail(inbox: Inbox, event_id: string, reasons: Record<string, string>) {
  const payload = Object.fromEntries(Object.keys(reasons).map((name) => [name, true]))
  expect((await inbox.post({ event_id, payload })).status).toBe(202)
  for (const [subscription, error] of Object.entries(reasons)) {
    const answer = await inbox.call('POST', `/inbox/${event_id}/nack`, { subscription, error })
    expect(answer.status).toBe(200)
  }
}

async function dlq(inbox: Inbox, query: Record<string, string>) {
  const { status, body } = await inbox.get(`/dlq?${new URLSearchParams(query)}`)
  expect(status).toBe(200)
  return body as unknown as Answer
}

const listed = async (inbox: Inbox, query: Record<string, string>) => {
  const { data, total, complete } = await dlq(inbox, query)
  const letters = data.map(({ event_id, subscription }) => `${event_id}: ${subscription}`)
  return { letters, total, complete }
}

const LONG = `${'x'.repeat(999)}😀 and more`
const NUL = 'before\u0000after'

test('are listed by their reason and their subscription, newest first, a page at a time', async ({
  inbox,
}) => {
  await fail(inbox, 'a', { billing: 'late', stock: 'late' })
  await fail(inbox, 'b', { billing: 'late 2' })
  await fail(inbox, 'c', { stock: 'late' })
  await fail(inbox, 'd', { billing: LONG })
  await fail(inbox, 'e', { billing: NUL })
  await fail(inbox, 'f', { inbox: '' })
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(7)
  const all = { total: 3, complete: true }
  const late = ['c: stock', 'a: stock', 'a: billing']
  expect(await listed(inbox, { reason: 'late' })).toEqual({ letters: late, ...all })
  const second = await listed(inbox, { reason: 'late', limit: '2', offset: '1' })
  expect(second).toEqual({ letters: late.slice(1), ...all })
  const behind = await listed(inbox, { reason: 'late', offset: '3' })
  expect(behind).toEqual({ letters: [], ...all })
  const both = await listed(inbox, { reason: 'late', subscription: 'stock' })
  expect(both).toEqual({ letters: late.slice(0, 2), total: 2, complete: true })
  const billing = await listed(inbox, { subscription: 'billing' })
  expect(billing).toMatchObject({ letters: ['e', 'd', 'b', 'a'].map((id) => `${id}: billing`) })
  const none = { letters: [], total: 0, complete: true }
  for (const reason of ['Late', 'lat', 'late ', 'l%', 'before'])
    expect([reason, await listed(inbox, { reason })]).toEqual([reason, none])
  expect((await listed(inbox, { subscription: '' })).letters).toEqual([])
  // As they are listed, and as they were given.
  for (const { event_id, subscription, reason } of await inbox.deadLetters())
    expect((await listed(inbox, { reason })).letters).toContain(`${event_id}: ${subscription}`)
  for (const [reason, letters] of [
    [LONG, ['d: billing']],
    [NUL, ['e: billing']],
    ['', ['f: inbox']],
  ] as const)
    expect((await listed(inbox, { reason })).letters).toEqual(letters)
  // Without a filter the shards count.
  expect(await listed(inbox, { limit: '1' })).toEqual({ letters: ['f: inbox'], total: 7 })
})

test('are grouped by their exact reason, the largest group first', async ({ inbox }) => {
  const { data, total, complete } = await dlq(inbox, { group: 'reason' })
  expect([total, complete]).toEqual([5, true])
  const letters = (await inbox.deadLetters()).filter(({ reason }) => reason === 'late')
  expect(data[0]).toEqual({
    reason: 'late',
    count: 3,
    oldest_failed_at: letters.at(-1)?.failed_at,
    newest_failed_at: letters[0]?.failed_at,
    subscriptions: ['billing', 'stock'],
  })
  expect(data.slice(1).map(({ reason, count }) => [reason, count])).toEqual([
    ['', 1],
    [NUL, 1],
    [(await inbox.deadLetters()).find(({ event_id }) => event_id === 'd')?.reason, 1],
    ['late 2', 1],
  ])
  const stock = await dlq(inbox, { group: 'reason', subscription: 'stock' })
  expect(stock).toMatchObject({ data: [{ reason: 'late', count: 2, subscriptions: ['stock'] }] })
})

test('are redriven by their reason in one subscription, and stay in the others', async ({
  inbox,
}) => {
  const redriven = async (body: object) =>
    (await inbox.call('POST', '/dlq/retry', body)).body.data as unknown as { redriven: number }
  const left = async () => (await inbox.deadLetters()).map((each) => each.event_id + each.reason)
  const statuses = async (id: string) =>
    (await inbox.story(id)).subscriptions.map(({ name, status }) => `${name} ${status}`)
  expect(await redriven({ reason: 'late', subscription: 'billing' })).toMatchObject({ redriven: 1 })
  expect(await redriven({ reason: 'late', subscription: 'inbox' })).toMatchObject({ redriven: 0 })
  expect((await statuses('a')).toSorted()).toEqual(['billing ready', 'stock failed'])
  await expect
    .poll(async () => (await listed(inbox, { reason: 'late' })).letters)
    .toEqual(['c: stock', 'a: stock'])
  // Each group goes by the reason that it shows.
  for (const { reason, count } of (await dlq(inbox, { group: 'reason' })).data)
    expect([reason, await redriven({ reason })]).toMatchObject([reason, { redriven: count }])
  await expect.poll(left).toEqual([])
  await inbox.expectVerified()
})

test('are looked at as far as the newest 10,000, which the answer says', async ({ inbox }) => {
  const add = (from: number, count: number, reason: string) =>
    inbox.db
      .prepare(
        `INSERT INTO letters WITH RECURSIVE n(i) AS (SELECT CAST(?1 AS INTEGER) UNION ALL SELECT i + 1 FROM n LIMIT ?2)
         SELECT 'many-' || i, 'inbox', 'shard-0', replace(?3, '#', i), 1, 'c',
           strftime('%Y-%m-%dT%H:%M:%fZ', 1.7e9 + i, 'unixepoch') FROM n`,
      )
      .bind(from, count, reason)
      .run()
  await add(0, 1, 'oldest')
  await add(1, 150, 'number #')
  await add(151, LIMITS.PAGE_SCAN - 151, 'many')
  expect(await listed(inbox, { reason: 'oldest' })).toMatchObject({ total: 1, complete: true })
  const all = await dlq(inbox, { group: 'reason' })
  expect([all.total, all.complete, all.data.length]).toEqual([152, true, LIMITS.LETTER_GROUPS])
  expect(all.data[0]).toMatchObject({ reason: 'many', count: LIMITS.PAGE_SCAN - 151 })
  await add(LIMITS.PAGE_SCAN, 1, 'many')
  const none = { letters: [], total: null, complete: false }
  expect(await listed(inbox, { reason: 'oldest' })).toEqual(none)
  expect(await listed(inbox, { reason: 'number 1' })).toMatchObject({
    letters: ['many-1: inbox'],
    total: null,
  })
  const newest = await dlq(inbox, { group: 'reason' })
  expect([newest.total, newest.complete]).toEqual([151, false])
  await inbox.db.exec("DELETE FROM letters WHERE event_id LIKE 'many-%'")
})

test('are not listed for what cannot be asked together, or is no name', async ({ inbox }) => {
  for (const [query, parameter] of [
    ['group=reason&limit=5', 'limit'],
    ['group=reason&offset=5', 'offset'],
    ['group=subscription', 'group'],
    ['subscription=Billing', 'subscription'],
  ]) {
    const { status, body } = await inbox.get(`/dlq?${query}`)
    expect([query, status, body.errors[0]?.parameter]).toEqual([query, 400, parameter])
  }
  for (const [given, pointer] of [
    [{ all: true, subscription: 'billing' }, '#/subscription'],
    [{ reason: 'late', subscription: 'B' }, '#/subscription'],
    [{ subscription: 'billing' }, '#'],
    [{ reason: 'late', all: true }, '#'],
  ] as const) {
    const { status, body } = await inbox.call('POST', '/dlq/retry', given)
    expect([given, status, body.errors[0]?.pointer]).toEqual([given, 400, pointer])
  }
})
