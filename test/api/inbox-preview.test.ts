import { describe, expect } from 'vitest'
import type { PreviewPage } from '../../client/types'
import { LIMITS } from '../../shared/limits'
import { parseInboxQuery } from '../../worker/inbox-query'
import { addRows, listed } from '../support/listing'
import { inParallel, type Row, test } from '../support/world'

const AT = '2026-01-01T00:00:00.000Z'
const row = (event_id: string, payload: string, metadata: string | null = null): Row => ({
  event_id,
  payload,
  metadata,
  status: 'pending',
  created_at: AT,
  updated_at: AT,
  retry_count: 0,
})

describe('a listing of previews', () => {
  test('has the beginnings of bodies as they were sent, and their sizes', async ({ inbox }) => {
    const long = `{"face": "${'😀'.repeat(600)}"}`
    await inbox.call('POST', '/events', '{"event_id": "short", "payload": {"n":  1.0}}')
    await inbox.call('POST', '/events', `{"event_id": "long", "payload": {}, "metadata": ${long}}`)
    const sorted = { sort: 'event_id', order: 'asc' } as const
    const page = await inbox.client.list({ body: 'preview', ...sorted })
    const [first, second] = page.data
    expect(second).toEqual({
      event_id: 'short',
      status: 'pending',
      retry_count: 0,
      created_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
      payload_preview: '{"n":  1.0}',
      payload_bytes: 11,
      metadata_preview: null,
      metadata_bytes: 0,
      members: {},
      subscriptions: ['inbox'],
    })
    // No character is cut in two, though each of these is two units of UTF-16.
    const cut = [...long].slice(0, LIMITS.PREVIEW_LENGTH).join('')
    expect(first).toMatchObject({
      payload_preview: '{}',
      metadata_preview: cut,
      metadata_bytes: Buffer.byteLength(long),
    })
    expect(cut.isWellFormed()).toBe(true)
    expect(page).toMatchObject({ total: 2, limit: 50, next_cursor: null, unstored: 0, stale: 0 })
  })

  test('names the members that are strings and short, each as it can be filtered by', async ({
    inbox,
  }) => {
    const most = 'é'.repeat(LIMITS.PREVIEW_MEMBER_LENGTH)
    await addRows(inbox, [
      row('m-all', '{"type": "paid"}', '{"source": "a \\"b\\"", "type": "push"}'),
      row('m-none', '{"Type": "x", "a": {"type": "x"}}', '{}'),
      row('m-other', '{"type": 7}', '{"source": ["x"], "type": null}'),
      row('m-most', `{"type": "${most}"}`, `{"source": "${most}x", "type": ""}`),
      row('m-nul', '{}', `{"source": "a\\u0000${'b'.repeat(1_300)}"}`),
    ])
    const query = 'consistency=eventual&sort=event_id&order=asc&body=preview&to=2026-01-02'
    const { body } = await inbox.get<PreviewPage['data']>(`/inbox?${query}`)
    expect(body.data.map(({ event_id, members }) => [event_id, members])).toEqual([
      ['m-all', { 'metadata.source': 'a "b"', 'metadata.type': 'push', 'payload.type': 'paid' }],
      ['m-most', { 'metadata.type': '', 'payload.type': most }],
      ['m-none', {}],
      ['m-nul', {}],
      ['m-other', {}],
    ])
    // D1 does not send a member that is too long: a NUL hides that from length().
    const { page } = parseInboxQuery(new URLSearchParams(query))
    const sent = await inbox.db
      .prepare(page.sql)
      .bind(...page.bindings)
      .all()
    expect(JSON.stringify(sent.results).split('b'.repeat(600))).toHaveLength(1)
    for (const { event_id, members } of body.data)
      for (const [name, value] of Object.entries(members)) {
        const { data } = await listed(inbox, `${query}&${name}=${encodeURIComponent(value)}`)
        expect(data.map((event) => event.event_id)).toEqual([event_id])
      }
  })

  test('is not cut short by large bodies, as whole ones are', async ({ inbox }) => {
    const payload = JSON.stringify({ text: 'x'.repeat(900_000), type: 'large' })
    await inParallel(12, 4, (n) => addRows(inbox, [row(`big-${n}`, payload)]))
    const query = 'consistency=eventual&payload.type=large&count=false'
    expect((await listed(inbox, query)).data).toHaveLength(8)
    const previews = await inbox.get<PreviewPage['data']>(`/inbox?${query}&body=preview`)
    expect(previews.body.data).toHaveLength(12)
    expect(previews.text.length).toBeLessThan(20_000)
    expect(previews.body.data[0]).toMatchObject({
      payload_preview: payload.slice(0, LIMITS.PREVIEW_LENGTH),
      payload_bytes: payload.length,
      members: { 'payload.type': 'large' },
    })
  })

  test('goes on page by page, with a cursor that either kind of page takes', async ({ inbox }) => {
    const query = 'consistency=eventual&to=2026-01-02&payload.type=large&count=false&limit=5'
    const first = JSON.parse((await inbox.get(`/inbox?${query}&body=preview`)).text)
    expect(first.data).toHaveLength(5)
    const [full, preview] = await Promise.all(
      ['full', 'preview'].map((body) =>
        listed(inbox, `${query}&cursor=${first.next_cursor}&body=${body}`),
      ),
    )
    const ids = (page: typeof full) => page?.data.map((event) => event.event_id)
    expect(ids(preview)).toEqual(ids(full))
    expect(ids(preview)).toHaveLength(5)
  })

  test('has no other kinds', async ({ inbox }) => {
    const { status, body } = await inbox.get('/inbox?body=none')
    expect([status, body.errors]).toEqual([
      400,
      [{ parameter: 'body', detail: 'must be full or preview' }],
    ])
  })
})
