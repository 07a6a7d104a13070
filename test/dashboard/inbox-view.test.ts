import { describe, expect, test } from 'vitest'
import { changedView, isFiltered, requestOf, titleOf } from '../../dashboard/inbox-view'

const NOW = Date.parse('2026-11-21T12:00:00Z')

describe('a view asks for', () => {
  test('what its members say, by the names of GET /inbox', () => {
    const query =
      'status=failed,pending&sort=retry_count+desc&limit=25&event_id=e&correlation_id=c&subscription=s' +
      '&metadata.source=shop&payload.a.b=7&cursors=one+two&event=open&from=2026-11-21T08:00:00Z&to=2026-11-22'
    expect(requestOf(query, NOW)).toEqual({
      limit: 25,
      status: 'failed,pending',
      sort: 'retry_count',
      order: 'desc',
      from: '2026-11-21T08:00:00.000Z',
      to: '2026-11-22T00:00:00.000Z',
      cursor: 'two',
      event_id: 'e',
      correlation_id: 'c',
      subscription: 's',
      filter: { 'metadata.source': 'shop', 'payload.a.b': '7' },
    })
  })

  test('times that count from now, and on later pages from when the first one was asked for', () => {
    const from = (query: string) => requestOf(query, NOW).from
    expect(from('since=15m')).toBe('2026-11-21T11:45:00.000Z')
    expect(from('since=1h')).toBe('2026-11-21T11:00:00.000Z')
    expect(from(`since=1h&at=${NOW - 60_000}&cursors=x`)).toBe('2026-11-21T10:59:00.000Z')
    expect(from('since=today')).toBe(new Date(new Date(NOW).setHours(0, 0, 0, 0)).toISOString())
    expect(from('since=own&from=2026-11-20T00:00:00Z')).toBe('2026-11-20T00:00:00.000Z')
    expect(from('')).toBeUndefined()
  })

  test('what is wrong as it is, so that the service says what would be right', () => {
    expect(requestOf('status=lost&limit=x&from=garbage&since=never&else=1', NOW)).toEqual({
      limit: NaN,
      status: 'lost',
      from: 'garbage',
      filter: {},
    })
    expect([isFiltered('limit=25&event=e'), isFiltered('payload.a=1')]).toEqual([false, true])
  })
})

test('a view is changed without what is empty, and says what it shows', () => {
  expect(changedView('status=failed&event=e', { event: null, since: '1h', status: '' })).toBe(
    'since=1h',
  )
  expect(titleOf('Inbox', 'status=failed,pending&since=1h&metadata.source=shop')).toBe(
    'Inbox: Pending and Failed, Last hour, Source shop',
  )
  expect([titleOf('Inbox', ''), titleOf('Inbox', 'event=e-1')]).toEqual(['Inbox', 'e-1'])
})
