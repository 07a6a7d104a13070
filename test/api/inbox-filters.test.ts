import { describe, expect } from 'vitest'
import { parseInboxQuery } from '../../worker/inbox-query'
import { listed } from '../support/listing'
import { type Inbox, test } from '../support/world'

const found = async (inbox: Inbox, query: string) =>
  (await listed(inbox, query)).data.map(({ event_id }) => event_id)

describe('a filter', () => {
  test('may be written as OpenAPI clients write it', async ({ inbox }) => {
    await inbox.post({ event_id: 'a', payload: { customer: { id: 7 } }, metadata: { v: 'x' } })
    await inbox.post({ event_id: 'b', payload: { customer: { id: 8 } }, metadata: { v: 'x' } })
    for (const query of [
      'payload.customer.id=7',
      'filter[payload.customer.id]=7',
      'filter[payload][customer][id]=7',
      'filter[payload][customer.id]=7',
      'filter%5Bpayload.customer.id%5D=7',
      'filter[payload.customer.id]=7&filter[metadata.v]=x',
    ])
      expect([query, await found(inbox, query)]).toEqual([query, ['a']])
    expect(await found(inbox, 'filter[metadata.v]=x&order=asc')).toEqual(['a', 'b'])
  })

  test('is the same filter for a cursor, however it is written', async ({ inbox }) => {
    const { next_cursor } = await listed(inbox, 'metadata.v=x&limit=1')
    expect(await found(inbox, `filter[metadata.v]=x&cursor=${next_cursor}`)).toEqual(['a'])
  })

  const refusals: [query: string, parameter: string][] = [
    ['filter[payload.a]=1&payload.a=2', 'payload.a'],
    ['filter[payload.a]=1&filter[payload][a]=1', 'payload.a'],
    ['filter[payload]=1', 'filter[payload]'],
    ['filter[payload.]=1', 'payload.'],
    ['filter[payload][]=1', 'payload.'],
    ['filter[status]=pending', 'filter[status]'],
    ['filter[payload.a=1', 'filter[payload.a'],
    ['filter[payload.a]x=1', 'filter[payload.a]x'],
    ['filter[payload[a]]=1', 'filter[payload[a]]'],
    ['filter=1', 'filter'],
    ['filters[payload.a]=1', 'filters[payload.a]'],
    ['filter[payload.a"b]=1', 'payload.a"b'],
    ['filter[payload.a.b.c.d.e.f]=1', 'payload.a.b.c.d.e.f'],
  ]
  for (const [query, parameter] of refusals) {
    test(`is refused by name: ${query}`, () => {
      expect(() => parseInboxQuery(new URLSearchParams(query))).toThrow(
        expect.objectContaining({
          options: expect.objectContaining({
            errors: expect.arrayContaining([expect.objectContaining({ parameter })]),
          }),
        }),
      )
    })
  }

  test('counts towards the ten, however it is written', () => {
    const many = Array.from({ length: 11 }, (_, n) => `filter[payload.k${n}]=1`).join('&')
    expect(() => parseInboxQuery(new URLSearchParams(many))).toThrow('one filter too many')
  })
})

describe('from and to', () => {
  test('the wrong way round are refused with a message; the same moment finds nothing', async ({
    inbox,
  }) => {
    const { status, body } = await inbox.get('/inbox?from=2026-11-22&to=2026-11-21T23:59:59Z')
    expect([status, body.errors]).toEqual([
      400,
      [{ parameter: 'to', detail: 'must not be before from' }],
    ])
    expect(await found(inbox, 'from=2026-11-21&to=2026-11-21')).toEqual([])
    expect(
      (await inbox.get('/inbox?from=2026-11-22T00:00:00%2B02:00&to=2026-11-21T22:00:01Z')).status,
    ).toBe(200)
  })
})
