import { Webhook } from 'standardwebhooks'
import { describe, expect } from 'vitest'
import { elementSources } from '../../worker/http/json-text'
import { inParallel, SHARDS, test as base } from '../support/world'

// Built at run time, so that no secret stands in the source: what a sender and the inbox share.
const SECRET = `whsec_${Buffer.from('a secret of the tests, 32 bytes.').toString('base64')}`
const test = base.override('vars', { WEBHOOK_SECRET: `whsec_${btoa('an older one')} ${SECRET}` })

interface Result {
  index: number
  event_id: string | null
  status: string
  event_status?: string
  created_at?: string
  error?: { code: string; detail: string; errors?: { pointer: string }[] }
}

const NDJSON = { 'Content-Type': 'application/x-ndjson' }

describe('a batch', () => {
  test('is accepted as an array or as lines, in order, each event once', async ({ inbox }) => {
    const events = Array.from({ length: 40 }, (_, n) => ({
      event_id: `batch-${n}`,
      payload: { n },
    }))
    const array = await inbox.call<Result[]>('POST', '/events', events)
    expect(array.status).toBe(202)
    expect(array.body.data).toEqual(
      events.map(({ event_id }, index) => ({ index, event_id, status: 'accepted' })),
    )
    const lines = await inbox.call<Result[]>(
      'POST',
      '/events',
      `\n${Array.from({ length: 30 }, (_, n) => `{"payload": {"n": ${n}.0}}\r\n`).join('\n')}`,
      NDJSON,
    )
    expect(lines.status).toBe(202)
    expect(new Set(lines.body.data.map(({ event_id }) => event_id)).size).toBe(30)
    const { text } = await inbox.get(`/inbox/${lines.body.data[7]?.event_id}`)
    expect(text).toContain('"payload":{"n": 7.0}')
    await inbox.drained()
    await inbox.expectVerified()
  })

  test('posted again answers duplicate for each, with its present status', async ({ inbox }) => {
    await inbox.ack('batch-1')
    const again = await inbox.call<Result[]>('POST', '/events', [
      { event_id: 'batch-0', payload: {} },
      { event_id: 'batch-1', payload: {} },
      { event_id: 'new', payload: {} },
      { event_id: 'new', payload: {} },
    ])
    expect(again.status).toBe(207)
    expect(again.body.data.map(({ status, event_status }) => [status, event_status])).toEqual([
      ['duplicate', 'pending'],
      ['duplicate', 'delivered'],
      ['accepted', undefined],
      ['duplicate', 'pending'],
    ])
    expect(again.body.data[0]?.created_at).toMatch(/Z$/)
  })

  test('rejects a bad entry alone, with its index and where it is wrong', async ({ inbox }) => {
    const { total } = await inbox.metrics()
    const large = { event_id: 'too-large', payload: { text: 'x'.repeat(1_048_576) } }
    const mixed = await inbox.call<Result[]>('POST', '/events', [
      { payload: {} },
      { payload: 1 },
      17,
      { payload: {}, event_id: 'a b' },
      large,
      { payload: {} },
    ])
    expect(mixed.status).toBe(207)
    expect(
      mixed.body.data.map(({ index, status, error }) => [
        index,
        status,
        error?.code,
        error?.errors?.[0]?.pointer,
      ]),
    ).toEqual([
      [0, 'accepted', undefined, undefined],
      [1, 'rejected', 'INVALID_EVENT', '#/1/payload'],
      [2, 'rejected', 'INVALID_EVENT', '#/2'],
      [3, 'rejected', 'INVALID_EVENT', '#/3/event_id'],
      [4, 'rejected', 'CONTENT_TOO_LARGE', undefined],
      [5, 'accepted', undefined, undefined],
    ])
    const lines = await inbox.call<Result[]>(
      'POST',
      '/events',
      '{"payload":{}}\n{"payload":\n{"payload":{}}',
      NDJSON,
    )
    expect(lines.body.data.map(({ status, error }) => [status, error?.code])).toEqual([
      ['accepted', undefined],
      ['rejected', 'INVALID_JSON'],
      ['accepted', undefined],
    ])
    expect((await inbox.metrics()).total).toBe(total + 4)
  })

  test('is refused whole when it is empty, malformed, or over a limit, and nothing of it is stored', async ({
    inbox,
  }) => {
    const { total } = await inbox.metrics()
    const entry = '{"payload":{}}'
    const cases = [
      ['[]', 400, 'EMPTY_BATCH'],
      [' \n ', 400, 'INVALID_JSON'],
      [`[${entry},]`, 400, 'INVALID_JSON'],
      [`[${entry} ${entry}]`, 400, 'INVALID_JSON'],
      [`[${entry}`, 400, 'INVALID_JSON'],
      [`[${entry}]]`, 400, 'INVALID_JSON'],
      [`[${entry},{"payload":{]}]`, 400, 'INVALID_JSON'],
      [`[${Array(1_001).fill(entry).join()}]`, 413, 'CONTENT_TOO_LARGE'],
      [`[${entry},"${'x'.repeat(8 * 1_048_576)}"]`, 413, 'CONTENT_TOO_LARGE'],
    ] as const
    for (const [body, status, code] of cases) {
      const answer = await inbox.call('POST', '/events', body)
      expect([body.slice(0, 40), answer.status, answer.body.code]).toEqual([
        body.slice(0, 40),
        status,
        code,
      ])
    }
    const lines = `${Array(1_001).fill(entry).join('\n')}`
    expect((await inbox.call('POST', '/events', lines, NDJSON)).status).toBe(413)
    const short = '1\n'.repeat(4_000_000)
    expect((await inbox.call('POST', '/events', short, NDJSON)).status).toBe(413)
    expect((await inbox.call('POST', '/events', '\n\n', NDJSON)).body.code).toBe('EMPTY_BATCH')
    expect((await inbox.metrics()).total).toBe(total)
  })

  test('of 1,000 events and nearly 8 MiB is accepted, as an array and as lines', async ({
    inbox,
  }) => {
    const body = { text: 'é'.repeat(4_100) }
    const { total } = await inbox.metrics()
    const array = Array.from({ length: 1_000 }, () => ({ payload: body }))
    expect((await inbox.call('POST', '/events', array)).status).toBe(202)
    expect(
      (
        await inbox.call(
          'POST',
          '/events',
          array.map((each) => JSON.stringify(each)).join('\n'),
          NDJSON,
        )
      ).status,
    ).toBe(202)
    expect((await inbox.metrics()).total).toBe(total + 2_000)
    await inbox.drained()
    await inbox.expectVerified()
  })

  test('with more complaints than anybody reads names the first ones', async ({ inbox }) => {
    const members = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`m${n}`, 1]))
    const answer = await inbox.call<Result[]>('POST', '/events', [members, members])
    expect(answer.body.data[1]?.error?.errors).toHaveLength(20)
    expect(answer.text.length).toBeLessThan(20_000)
  })

  base('is cut into its elements as JSON.parse would cut it', () => {
    const texts = ['[]', ' [ 1 , "a,]" ,{"b":[1,2]},[[],[]] , null ]', '["\\\\",1]']
    for (const text of texts)
      expect(elementSources(text, 10)?.map((each) => JSON.parse(each))).toEqual(JSON.parse(text))
    for (const text of ['', '{}', '[', '[1', '[1,', '[,1]', '[1 2]', '[1]x', '[1:2]'])
      expect(elementSources(text, 10)).toBeNull()
    expect(elementSources(`[${Array(50).fill(1).join()}]`, 10)).toHaveLength(11)
  })
})

describe('an Idempotency-Key', () => {
  const withKey = (key: string) => ({ 'Idempotency-Key': key })

  test('replays the first answer for the same body, bare or quoted, and refuses another body', async ({
    inbox,
    server,
  }) => {
    const first = await inbox.post({ payload: { n: 1 } }, withKey('order 17'))
    expect([first.status, first.headers.get('Idempotency-Replayed')]).toEqual([202, null])
    const again = await inbox.post({ payload: { n: 1 } }, withKey('"order 17"'))
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([202, 'true'])
    expect(again.body.data).toEqual(first.body.data)
    for (const shard of Array(SHARDS).keys())
      await server.getWorker<Env>().evictDurableObject('SHARD', { name: `shard-${shard}` })
    expect(
      (await inbox.post({ payload: { n: 1 } }, withKey('order 17'))).headers.get(
        'Idempotency-Replayed',
      ),
    ).toBe('true')
    const other = await inbox.post({ payload: { n: 2 } }, withKey('order 17'))
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED'])
    expect((await inbox.event(first.body.data.event_id)).payload).toEqual({ n: 1 })
  })

  test('of 100 identical posts at once makes one event: 202 each, 99 of them replayed', async ({
    inbox,
  }) => {
    const { total } = await inbox.metrics()
    const replayed: (string | null)[] = []
    await inParallel(100, 100, async () => {
      const { status, headers } = await inbox.post({ payload: { same: true } }, withKey('at-once'))
      expect(status).toBe(202)
      replayed.push(headers.get('Idempotency-Replayed'))
    })
    expect(replayed.filter((each) => each === 'true')).toHaveLength(99)
    expect((await inbox.metrics()).total).toBe(total + 1)
  })

  test('is refused where it makes no sense', async ({ inbox }) => {
    for (const [body, key] of [
      [{ payload: {}, event_id: 'own-id' }, 'k'],
      [[{ payload: {} }], 'k'],
      [{ payload: {} }, ''],
      [{ payload: {} }, 'x'.repeat(256)],
    ] as const) {
      const { status, body: problem } = await inbox.call('POST', '/events', body, withKey(key))
      expect([status, problem.code]).toEqual([400, 'INVALID_IDEMPOTENCY_KEY'])
    }
  })
})

describe('a Standard Webhook', () => {
  const signed = (id: string, body: string, at = new Date()) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, at, body),
  })

  test('signed by the library is accepted once: its body is the payload, webhook-id the key', async ({
    inbox,
  }) => {
    const body = '{"type":"user.created","data":{"id":1.0}}'
    const first = await inbox.post(body, signed('msg_1', body))
    expect(first.status).toBe(202)
    expect((await inbox.get(`/inbox/${first.body.data.event_id}`)).text).toContain(
      `"payload":${body},"metadata":{"webhook_id":"msg_1"`,
    )
    const again = await inbox.post(body, signed('msg_1', body))
    expect([again.status, again.headers.get('Idempotency-Replayed'), again.body.data]).toEqual([
      202,
      'true',
      first.body.data,
    ])
    // To its sender a conflict would be a failure, to be tried again for days.
    const other = '{"type":"user.deleted"}'
    const replayed = await inbox.post(other, signed('msg_1', other))
    expect([replayed.status, replayed.body.data]).toEqual([202, first.body.data])
    expect((await inbox.get(`/inbox/${first.body.data.event_id}`)).text).toContain(body)
  })

  test('that an older version accepted is a replay too', async ({ inbox }) => {
    const body = '{"type":"user.created","n":2}'
    const first = await inbox.post(body, signed('msg_old', body))
    for (const shard of [0, 1])
      await inbox.shardRows(
        shard,
        "UPDATE events SET fingerprint = 'of its body' WHERE event_id = ?",
        first.body.data.event_id,
      )
    const again = await inbox.post(body, signed('msg_old', body))
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([202, 'true'])
  })

  test('may have the header names of Svix', async ({ inbox }) => {
    const body = '{"type":"user.created"}'
    const names = Object.entries(signed('msg_svix', body))
    const svix = names.map(([name, value]) => [name.replace('webhook', 'svix'), value])
    const answer = await inbox.post(body, Object.fromEntries(svix))
    expect(answer.status).toBe(202)
    expect((await inbox.post(body, signed('msg_svix', body))).body.data).toEqual(answer.body.data)
  })

  test('that would grow beyond what is stored is a 413', async ({ inbox }) => {
    const body = '"'.repeat(1_000_000)
    const { status } = await inbox.post(body, {
      ...signed('msg_large', body),
      'Content-Type': 'text/plain',
    })
    expect(status).toBe(413)
  })

  test('with a wrong, old or missing signature is refused', async ({ inbox }) => {
    const body = '{"a":1}'
    const tampered = await inbox.post('{"a":2}', signed('msg_2', body))
    const old = await inbox.post(body, signed('msg_2', body, new Date(Date.now() - 600_000)))
    const missing = await inbox.post(body, { 'webhook-id': 'msg_2' })
    for (const { status, body: problem } of [tampered, old, missing])
      expect([status, problem.code]).toEqual([401, 'INVALID_SIGNATURE'])
    const noId = await inbox.post(body, { ...signed('', body) })
    expect(noId.status).toBe(400)
  })
})

test('an unknown media type is told which ones are taken', async ({ inbox }) => {
  const { status, headers } = await inbox.post('<event/>', { 'Content-Type': 'application/xml' })
  expect([status, headers.get('Accept-Post')]).toEqual([
    415,
    'application/json, application/x-ndjson, application/cloudevents-batch+json, application/cloudevents+json',
  ])
})
