import { expect } from 'vitest'
import type { EventPage } from '../../client/types'
import { FIRST_COLUMNS } from '../support/schema'
import { inParallel, test } from '../support/world'

test('an event that got its 202 is in the next listing, in a tight loop under background load', async ({
  inbox,
}) => {
  let loading = true
  const load = Array.from({ length: 8 }, async (_, lane) => {
    for (let n = 0; loading; n++)
      await inbox.post({ event_id: `load-${lane}-${n}`, payload: { n } })
  })
  for (let n = 0; n < 60; n++) {
    const event_id = `own-${n}`
    await inbox.post({ event_id, payload: { mine: n } })
    const page = await inbox.client.list({ limit: 1_000 })
    expect(page.unstored).toBe(0)
    expect(page.data.map((event) => event.event_id)).toContain(event_id)
  }
  loading = false
  await Promise.all(load)
})

test('what cannot be written in time is told in unstored; consistency=eventual does not ask', async ({
  inbox,
}) => {
  await inbox.drained()
  await inbox.refuse('INSERT', "NEW.event_id = 'refused'")
  await inbox.postId('refused')
  expect((await inbox.get('/inbox?limit=1')).body.unstored).toBe(1)
  expect((await inbox.get('/inbox?limit=1&consistency=eventual')).body).not.toHaveProperty(
    'unstored',
  )
  await inbox.takeAgain()
  await inbox.drained()
  expect((await inbox.get('/inbox?limit=1')).body.unstored).toBe(0)
})

test('paging through 10,000 events while others arrive and are acknowledged returns each exactly once', async ({
  inbox,
}) => {
  const before = (await inbox.metrics()).total
  const ids = JSON.stringify(Array.from({ length: 10_000 }, (_, n) => `there-${n}`))
  // Many to a millisecond, so that the id must break ties.
  const created = `strftime('%Y-%m-%dT%H:%M:%fZ', 1750000000 + key / 1000 / 1000.0, 'unixepoch')`
  const sql = `INSERT INTO events (${FIRST_COLUMNS})
    SELECT value, '{}', NULL, 'pending', ${created}, '2025-07-01T00:00:00.000Z', 0 FROM json_each(?)`
  await inbox.db.prepare(sql).bind(ids).run()
  const seen: string[] = []
  let cursor: string | null = null
  let n = 0
  do {
    const arriving = inParallel(
      20,
      4,
      async () => void (await inbox.ack(await inbox.postId(`new-${n++}`))),
    )
    const more = cursor === null ? {} : { cursor }
    const page: EventPage = await inbox.client.list({ limit: 500, count: false, ...more })
    seen.push(...page.data.map((event) => event.event_id))
    cursor = page.next_cursor
    await arriving
  } while (cursor)
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.filter((id) => id.startsWith('there-'))).toHaveLength(10_000)
  expect(seen.filter((id) => !id.startsWith('new-')).length).toBe(10_000 + before)
}, 120_000)
