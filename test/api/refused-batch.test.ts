import { describe, expect } from 'vitest'
import { SHARDS, test } from '../support/world'

interface Result {
  index: number
  event_id: string | null
  status: string
  error?: { code: string; errors?: { pointer: string }[] }
}

describe('a batch of which nothing is stored', () => {
  test('is a 400 with the same result an entry, as an array, as lines and as CloudEvents', async ({
    inbox,
  }) => {
    const { total } = await inbox.metrics()
    const refusals: [body: string, mediaType: string, pointers: (string | undefined)[]][] = [
      ['[{"payload":1},{"event_id":"a b","payload":{}}]', 'json', ['#/0/payload', '#/1/event_id']],
      ['{"payload":1}\n{"payload":', 'x-ndjson', ['#/0/payload', undefined]],
      ['[{"specversion":"1.0"}]', 'cloudevents-batch+json', ['#/0/id']],
    ]
    for (const [body, mediaType, pointers] of refusals) {
      const answer = await inbox.call<Result[]>('POST', '/events', body, {
        'Content-Type': `application/${mediaType}`,
      })
      expect([answer.status, answer.body.code]).toEqual([400, 'BATCH_REFUSED'])
      expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
      expect(answer.body.detail).toMatch(/^None of the \d events? .* stored\. The first: The .*/)
      expect(answer.body.data).toMatchObject(
        pointers.map((_, index) => ({ index, status: 'rejected' })),
      )
      expect(answer.body.data.map(({ error }) => error?.errors?.[0]?.pointer)).toEqual(pointers)
    }
    expect((await inbox.metrics()).total).toBe(total)
  })

  test('but known, in part or all of it, is a 207', async ({ inbox }) => {
    await inbox.postId('known')
    const known = { event_id: 'known', payload: {} }
    for (const batch of [[known], [known, { payload: 1 }], [{ payload: 1 }, known]])
      expect((await inbox.call('POST', '/events', batch)).status).toBe(207)
  })

  test('as far as anybody knows, since no shard answered, is a 503 to be sent again', async ({
    inbox,
  }) => {
    const inEach = async (sql: string) => {
      for (let shard = 0; shard < SHARDS; shard++) await inbox.shardRows(shard, sql)
    }
    const batch = [
      { payload: 1 },
      ...Array.from({ length: 8 }, (_, n) => ({ event_id: `away-${n}`, payload: {} })),
    ]
    await inEach('ALTER TABLE events RENAME TO events_away')
    const refused = await inbox.call<Result[]>('POST', '/events', batch)
    await inEach('ALTER TABLE events_away RENAME TO events')
    expect([refused.status, refused.body.code, refused.headers.get('Retry-After')]).toEqual([
      503,
      'UNAVAILABLE',
      '2',
    ])
    expect(refused.body.data.map(({ error }) => error?.code)).toEqual([
      'INVALID_EVENT',
      ...Array(8).fill('UNAVAILABLE'),
    ])
    expect((await inbox.call('POST', '/events', batch)).status).toBe(207)
    await inbox.drained()
    expect(await inbox.rows("event_id LIKE 'away-%'")).toHaveLength(8)
  })
})
