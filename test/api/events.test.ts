import { describe, expect } from 'vitest'
import { listed } from '../support/listing'
import { SHARDS, test } from '../support/world'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe('an accepted event', () => {
  test('is answered with its id, found by id at once, listed, and counted', async ({ inbox }) => {
    const before = await inbox.metrics()
    const sentAt = Date.now()
    const answer = await inbox.post({ payload: { order: 17 }, metadata: { source: 'shop' } })
    expect(answer.status).toBe(202)
    const { event_id, status, timestamp } = answer.body.data
    expect(event_id).toMatch(UUID_V7)
    expect(status).toBe('accepted')
    expect(timestamp).toMatch(ISO_TIME)
    expect(Math.abs(Date.parse(timestamp) - sentAt)).toBeLessThan(5_000)

    const found = await inbox.get(`/inbox/${event_id}`)
    expect(found.status).toBe(200)
    const expected = {
      event_id,
      status: 'pending',
      created_at: timestamp,
      retry_count: 0,
      payload: { order: 17 },
      metadata: { source: 'shop' },
    }
    expect(found.body.data).toEqual({ ...expected, updated_at: expect.stringMatching(ISO_TIME) })

    const page = await inbox.client.list()
    expect(page).toMatchObject({ total: before.total + 1, limit: 50, unstored: 0 })
    expect(page.data[0]).toEqual({
      ...expected,
      updated_at: expect.stringMatching(ISO_TIME),
    })
    expect(Date.parse(page.data[0]?.updated_at ?? '')).toBeGreaterThan(Date.parse(timestamp))

    const after = await inbox.metrics()
    expect(after).toMatchObject({
      total: before.total + 1,
      pending: before.pending + 1,
      delivered: 0,
      failed: 0,
      queue_depth: 0,
    })
    expect(after.last_processed_at).toMatch(ISO_TIME)
  })

  test('is readable from its shard while D1 does not have it, with the same fields', async ({
    inbox,
  }) => {
    await inbox.db.exec('ALTER TABLE events RENAME TO away')
    const { event_id, timestamp } = (await inbox.post({ payload: { a: 1 } })).body.data
    const answer = await inbox.get(`/inbox/${event_id}`)
    await inbox.db.exec('ALTER TABLE away RENAME TO events')
    expect(answer.status).toBe(200)
    expect(answer.body.data).toMatchObject({
      event_id,
      created_at: timestamp,
      updated_at: timestamp,
      status: 'pending',
      payload: { a: 1 },
      metadata: null,
    })
    await inbox.drained()
  })

  test('keeps the event_id it came with', async ({ inbox }) => {
    const answer = await inbox.post({ event_id: 'Order-17.a:b_c', payload: {} })
    expect(answer.status).toBe(202)
    expect(answer.body.data.event_id).toBe('Order-17.a:b_c')
    expect((await inbox.get('/inbox/Order-17.a%3Ab_c')).body.data.event_id).toBe('Order-17.a:b_c')
  })

  test('is listed newest first, filtered by status, up to the limit', async ({ inbox }) => {
    for (const event_id of ['first', 'second', 'third']) await inbox.post({ event_id, payload: {} })
    const ids = async (query: string) =>
      (await listed(inbox, query)).data.map((event) => event.event_id)
    expect(await ids('limit=2')).toEqual(['third', 'second'])
    expect(await ids('status=pending&limit=1&offset=2')).toEqual(['first'])
    const delivered = await inbox.get('/inbox?status=delivered,failed')
    expect(delivered.body).toMatchObject({ data: [], total: 0 })
  })

  test('reads back byte for byte: big numbers, 1.0, 1e400, escapes, blanks and key order', async ({
    inbox,
  }) => {
    const numbers = '"b" : 12345678901234567890,"a":[1.0, 1e400,-0]'
    const strings = String.raw`"s":"\ud800\u0000\/\"}\\", "é":"\u00e9 ü 😀"`
    const payload = `{ ${numbers},${strings}, "1":2 ,"b": {"__proto__": 0.10}}`
    const metadata = '{"z":1.50 }'
    const { event_id } = (await inbox.post(`{"metadata":${metadata} , "pay\\u006coad":${payload}}`))
      .body.data
    await inbox.drained()
    for (const path of [`/inbox/${event_id}`, '/inbox?limit=1']) {
      const { text } = await inbox.get(path)
      expect(text).toContain(`"payload":${payload},`)
      expect(text).toContain(`"metadata":${metadata}`)
    }
    const row = await inbox.db
      .prepare('SELECT payload, metadata FROM events WHERE event_id = ?')
      .bind(event_id)
      .first()
    expect(row).toEqual({ payload, metadata })
  })

  test('stores absent and null metadata as NULL, and {} as {}', async ({ inbox }) => {
    const sent = [{ payload: {} }, { payload: {}, metadata: null }, { payload: {}, metadata: {} }]
    const rows = []
    for (const event of sent) {
      const { event_id } = (await inbox.post(event)).body.data
      const beforeD1 = (await inbox.get(`/inbox/${event_id}`)).body.data.metadata
      await inbox.drained()
      const inD1 = await inbox.db
        .prepare('SELECT metadata FROM events WHERE event_id = ?')
        .bind(event_id)
        .first('metadata')
      rows.push([beforeD1, inD1, (await inbox.get(`/inbox/${event_id}`)).body.data.metadata])
    }
    expect(rows).toEqual([
      [null, null, null],
      [null, null, null],
      [{}, '{}', {}],
    ])
  })

  test('may be nearly 1 MiB, also when every second byte needs an escape', async ({ inbox }) => {
    const payload = JSON.stringify({ quotes: '"'.repeat(520_000) })
    const { status, body } = await inbox.post(`{"payload":${payload}}`)
    expect(status).toBe(202)
    await inbox.drained()
    expect((await inbox.get(`/inbox/${body.data.event_id}`)).text).toContain(payload)
  })
})

describe('a duplicate event_id', () => {
  test('gets 409 with the first one’s status and time, whether stored or not, and changes nothing', async ({
    inbox,
  }) => {
    const first = await inbox.post({ event_id: 'twice', payload: { n: 1 } })
    for (const settle of [async () => {}, inbox.drained]) {
      await settle()
      const again = await inbox.post({ event_id: 'twice', payload: { n: 2 } })
      expect(again.status).toBe(409)
      expect(again.body).toMatchObject({
        status: 409,
        code: 'DUPLICATE_EVENT_ID',
        detail: 'Duplicate event_id: twice',
        event_status: 'pending',
        created_at: first.body.data.timestamp,
      })
    }
    expect((await inbox.get('/inbox/twice')).body.data.payload).toEqual({ n: 1 })
  })

  test('200 at once give one 202 and 199 times 409, one row, and one in the counters', async ({
    inbox,
  }) => {
    const before = await inbox.metrics()
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => inbox.post({ event_id: 'raced', payload: { n } })),
    )
    const tally = Map.groupBy(answers, (answer) => answer.status)
    expect([...tally].map(([status, { length }]) => [status, length]).toSorted()).toEqual([
      [202, 1],
      [409, 199],
    ])
    await inbox.drained()
    const after = await inbox.metrics()
    expect(after.total - before.total).toBe(1)
    const rows = await inbox.db
      .prepare("SELECT payload FROM events WHERE event_id = 'raced'")
      .all<{ payload: string }>()
    expect(rows.results).toHaveLength(1)
    let inShards = 0
    for (let shard = 0; shard < SHARDS; shard++)
      inShards += (await inbox.shardRows(shard, "SELECT 1 FROM events WHERE event_id = 'raced'"))
        .length
    expect(inShards).toBe(1)
  })
})
