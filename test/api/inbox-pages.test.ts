import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { parseInboxQuery } from '../../worker/inbox-query'
import { LIMITS } from '../../shared/limits'
import { addRows, listed, listedAll } from '../support/listing'
import { inParallel, test } from '../support/world'

const START = Date.parse('2026-01-01T00:00:00Z')

describe('a listing', () => {
  test('stops after LIMITS.PAGE_SCAN events that no index can choose from, and goes on from there', async ({
    inbox,
  }) => {
    const count = LIMITS.PAGE_SCAN * 2 + 500
    const events = Array.from({ length: count }, (_, n) => ({
      event_id: `scan-${String(n).padStart(6, '0')}`,
      payload: JSON.stringify({ rare: n % 9_000 === 42 }),
      metadata: null,
      status: 'pending',
      created_at: new Date(START - (n + 1) * 1_000).toISOString(),
      updated_at: new Date(START).toISOString(),
      retry_count: 0,
    }))
    await addRows(inbox, events)
    const query = 'payload.rare=true&to=2026-01-01&consistency=eventual&limit=100'
    const first = await listed(inbox, query)
    expect(first.data.map((event) => event.event_id)).toEqual(['scan-000042', 'scan-009042'])
    expect(first.total).toBeNull()
    expect(first.next_cursor).not.toBeNull()
    expect((await listedAll(inbox, query)).map((event) => event.event_id)).toEqual([
      'scan-000042',
      'scan-009042',
      'scan-018042',
    ])
  })

  test('ends a page early rather than hold more than 8 MB, and goes on behind it', async ({
    inbox,
  }) => {
    const payload = JSON.stringify({ text: 'x'.repeat(900_000) })
    await inParallel(
      20,
      5,
      async (n) =>
        void (await inbox.post(
          `{"event_id":"big-${n}","payload":${payload},"metadata":{"big":true}}`,
        )),
    )
    await inbox.drained()
    const first = await listed(inbox, 'metadata.big=true&limit=100')
    expect(first.data.length).toBe(8)
    expect(await listedAll(inbox, 'metadata.big=true&limit=100')).toHaveLength(20)
  }, 60_000)
})

test('reads no more rows of many events than a page needs', async ({ inbox }) => {
  const { count } = (
    await inbox.db.prepare('SELECT count(*) AS count FROM events').all<{ count: number }>()
  ).results[0] ?? { count: 0 }
  expect(count).toBeGreaterThan(LIMITS.PAGE_SCAN)
  const { next_cursor } = await listed(inbox, 'consistency=eventual&limit=1&to=2026-01-01')
  const texts = [
    'limit=50',
    'status=pending',
    'status=pending,failed',
    'from=2025-12-31&to=2026-01-01',
    'status=pending&from=2025-12-31',
    'sort=event_id&order=asc',
    `to=2026-01-01&cursor=${next_cursor}`,
  ]
  for (const query of texts) {
    const { page: statement } = parseInboxQuery(new URLSearchParams(query))
    const { meta } = await inbox.db
      .prepare(statement.sql)
      .bind(...statement.bindings)
      .all()
    expect([query, meta.rows_read < 1_000]).toEqual([query, true])
  }
})

describe('a cursor', () => {
  test('belongs to its sort and filters, in whatever order they are given', async ({ inbox }) => {
    const { next_cursor } = await listed(inbox, 'status=pending&min_retries=0&limit=1')
    expect(
      await inbox.get(`/inbox?min_retries=0&limit=5&status=pending&cursor=${next_cursor}`),
    ).toMatchObject({ status: 200 })
    for (const query of [
      'status=pending',
      'status=failed&min_retries=0',
      'status=pending&min_retries=0&order=asc',
      'status=pending&min_retries=0&sort=event_id',
    ]) {
      const { status, body: problem } = await inbox.get(`/inbox?${query}&cursor=${next_cursor}`)
      expect([query, status]).toEqual([query, 400])
      expect(problem.errors[0]).toMatchObject({ parameter: 'cursor' })
    }
    expect(
      (await inbox.get(`/inbox?status=pending&min_retries=0&offset=1&cursor=${next_cursor}`))
        .status,
    ).toBe(400)
  })

  test('is refused without harm when it was tampered with', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.jsonValue().map((value) => btoa(encodeURIComponent(JSON.stringify(value)))),
        ),
        (cursor) => {
          expect(() => parseInboxQuery(new URLSearchParams({ cursor }))).toThrow(
            'cursor is not one',
          )
        },
      ),
    )
  })
})
