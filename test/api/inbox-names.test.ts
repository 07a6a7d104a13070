import { describe, expect } from 'vitest'
import { LIMITS } from '../../shared/limits'
import { parseInboxQuery } from '../../worker/inbox-query'
import { addRows, listed, listedAll } from '../support/listing'
import { type Inbox, test as base } from '../support/world'

/** Events are found by the request that they came with, and by the subscriptions that took them. */

const SUBSCRIPTIONS = [
  { name: 'bill', filter: { 'payload.type': 'paid' } },
  { name: 'billing', filter: { 'payload.amount': 9 } },
  { name: 'inbox', filter: { 'payload.keep': true } },
]
const test = base.override('vars', { SUBSCRIPTIONS: JSON.stringify(SUBSCRIPTIONS) })

const found = async (inbox: Inbox, query: string) => {
  const { data, total } = await listed(inbox, `sort=event_id&order=asc&${query}`)
  expect(total).toBe(data.length)
  return data.map(({ event_id }) => event_id)
}

const post = (inbox: Inbox, trace: string, events: object[]) =>
  inbox.post(events, { 'X-Correlation-ID': trace })

describe('a listing', () => {
  test('finds the events that came with one request', async ({ inbox }) => {
    await post(inbox, 'trace-1', [
      { event_id: 'a-1', payload: { type: 'paid', amount: 9 } },
      { event_id: 'a-2', payload: { type: 'paid' } },
    ])
    await post(inbox, 'trace-10', [
      { event_id: 'b-0', payload: { type: 'sent', amount: 9 } },
      { event_id: 'b-1', payload: { type: 'sent' } },
      { event_id: 'b-2', payload: { type: 'paid', amount: 9, keep: true } },
      { event_id: 'b-3', payload: {}, not_before: '2999-01-01T00:00:00Z' },
    ])
    expect(await found(inbox, 'correlation_id=trace-1')).toEqual(['a-1', 'a-2'])
    expect(await found(inbox, 'correlation_id=trace-10&payload.amount=9')).toEqual(['b-0', 'b-2'])
    expect(await found(inbox, 'correlation_id=trace-100')).toEqual([])
    expect(await inbox.story('a-1')).toMatchObject({ correlation_id: 'trace-1' })
  })

  test('finds what a subscription took, and by `inbox` what no other one did', async ({
    inbox,
  }) => {
    expect(await found(inbox, 'subscription=bill')).toEqual(['a-1', 'a-2', 'b-2'])
    expect(await found(inbox, 'subscription=billing')).toEqual(['a-1', 'b-0', 'b-2'])
    expect(await found(inbox, 'subscription=inbox')).toEqual(['b-1', 'b-2', 'b-3'])
    expect(await found(inbox, 'subscription=gone')).toEqual([])
    expect(await found(inbox, 'subscription=bill&correlation_id=trace-10')).toEqual(['b-2'])
  })

  test('of previews names the subscriptions by which an event is found', async ({ inbox }) => {
    const { data } = await inbox.client.list({ body: 'preview' })
    expect(data.length).toBeGreaterThan(5)
    for (const name of ['bill', 'billing', 'inbox']) {
      const named = data.filter(({ subscriptions }) => subscriptions.includes(name))
      const ids = named.map(({ event_id }) => event_id).toSorted()
      expect(ids).toEqual(await found(inbox, `subscription=${name}`))
    }
  })

  test('finds it there also when D1 was told after the subscription had settled it', async ({
    inbox,
  }) => {
    const event = { event_id: 'late', payload: { type: 'paid', amount: 9, late: true } }
    await inbox.withoutD1(async () => {
      await post(inbox, 'trace-late', [event])
      await inbox.call('POST', '/inbox/late/ack', { subscription: 'billing' })
      await inbox.call('POST', '/inbox/late/ack', { subscription: 'bill' })
      expect((await inbox.event('late')).status).toBe('delivered')
      await inbox.restartShards()
    })
    await inbox.drained()
    for (const name of ['bill', 'billing'])
      expect(await found(inbox, `subscription=${name}&payload.late=true`)).toEqual(['late'])
    expect(await found(inbox, 'subscription=inbox&payload.late=true')).toEqual([])
    expect(await found(inbox, 'correlation_id=trace-late')).toEqual(['late'])
  })

  test('finds it there also when D1 refused it at first', async ({ inbox }) => {
    await inbox.refuse('INSERT', "NEW.event_id = 'refused'")
    await post(inbox, 'trace-refused', [{ event_id: 'refused', payload: { type: 'paid' } }])
    await expect.poll(async () => (await inbox.event('refused')).status).toBe('failed')
    await inbox.takeAgain()
    expect((await inbox.retry('refused')).status).toBe(200)
    await inbox.drained()
    expect(await found(inbox, 'correlation_id=trace-refused')).toEqual(['refused'])
    expect(await inbox.rows("event_id = 'refused'")).toMatchObject([
      { correlation_id: 'trace-refused', subscriptions: '["bill"]' },
    ])
    await inbox.expectVerified()
  })

  test('finds an event by its id, and reads no other for it', async ({ inbox }) => {
    expect(await found(inbox, 'event_id=a-1')).toEqual(['a-1'])
    expect(await found(inbox, 'event_id=a-1&status=failed')).toEqual([])
    expect(await found(inbox, 'event_id=nobody')).toEqual([])
  })

  test('takes rows of before the columns for those of `inbox`, with no request', async ({
    inbox,
  }) => {
    const events = Array.from({ length: LIMITS.PAGE_SCAN + 500 }, (_, n) => ({
      event_id: `old-${String(n).padStart(6, '0')}`,
      payload: '{}',
      metadata: null,
      status: 'pending',
      created_at: new Date(Date.parse('2026-01-01') - n * 1_000).toISOString(),
      updated_at: '2026-01-01T00:00:00.000Z',
      retry_count: 0,
    }))
    await addRows(inbox, events)
    await inbox.db.exec(
      `UPDATE events SET correlation_id = 'rare', subscriptions = '["billing"]' WHERE event_id IN ('old-000042', 'old-010042')`,
    )
    const rest = 'to=2026-01-02&consistency=eventual'
    const first = await listed(inbox, `${rest}&correlation_id=rare`)
    expect(first.data.map(({ event_id }) => event_id)).toEqual(['old-000042'])
    // The scan has an end, and goes on from there.
    expect([first.total, typeof first.next_cursor]).toEqual([null, 'string'])
    for (const filter of ['correlation_id=rare', 'subscription=billing']) {
      const all = await listedAll(inbox, `${rest}&${filter}`)
      expect(all.map(({ event_id }) => event_id)).toEqual(['old-000042', 'old-010042'])
    }
    const { data } = await listed(inbox, `${rest}&subscription=inbox&limit=1000&count=false`)
    expect(data).toHaveLength(1_000)
    const { page } = parseInboxQuery(new URLSearchParams('event_id=old-000042&status=pending'))
    const { meta } = await inbox.db
      .prepare(page.sql)
      .bind(...page.bindings)
      .all()
    expect(meta.rows_read).toBeLessThan(20)
  }, 60_000)

  test('refuses what no event can have, and counts these filters among the ten', async ({
    inbox,
  }) => {
    const members = Array.from({ length: 9 }, (_, n) => `payload.k${n}=1`).join('&')
    for (const [query, parameter] of [
      ['correlation_id=', 'correlation_id'],
      ['correlation_id=a%20b', 'correlation_id'],
      [`correlation_id=${'c'.repeat(129)}`, 'correlation_id'],
      ['subscription=Billing', 'subscription'],
      ['subscription=a%22', 'subscription'],
      ['event_id=a%20b', 'event_id'],
      [`${members}&correlation_id=a&subscription=b`, 'subscription'],
    ] as const) {
      const { status, body } = await inbox.get(`/inbox?${query}`)
      expect([query, status, body.errors[0]?.parameter]).toEqual([query, 400, parameter])
    }
    expect((await inbox.get(`/inbox?${members}&correlation_id=a`)).status).toBe(200)
  })
})
