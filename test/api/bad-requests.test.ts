import { request } from 'node:http'
import { describe, expect } from 'vitest'
import { AUTHORIZED, test } from '../support/world'

const JSON_TYPE = { 'Content-Type': 'application/json' }
const MIB = 1_048_576
const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`

interface Refusal {
  name: string
  body: string | Uint8Array
  headers?: Record<string, string>
  status?: number
  code: string
  /** Where the problem says it is. */
  pointer?: string
}

const refusals: Refusal[] = [
  { name: 'no payload', body: '{"metadata":{}}', code: 'INVALID_EVENT', pointer: '#/payload' },
  { name: 'payload null', body: '{"payload":null}', code: 'INVALID_EVENT', pointer: '#/payload' },
  {
    name: 'payload an array',
    body: '{"payload":[1]}',
    code: 'INVALID_EVENT',
    pointer: '#/payload',
  },
  {
    name: 'payload a string',
    body: '{"payload":"{}"}',
    code: 'INVALID_EVENT',
    pointer: '#/payload',
  },
  {
    name: 'a later payload that is no object',
    body: '{"payload":{},"payload":1}',
    code: 'INVALID_EVENT',
    pointer: '#/payload',
  },
  {
    name: 'metadata a number',
    body: '{"payload":{},"metadata":1}',
    code: 'INVALID_EVENT',
    pointer: '#/metadata',
  },
  {
    name: 'metadata an array',
    body: '{"payload":{},"metadata":[]}',
    code: 'INVALID_EVENT',
    pointer: '#/metadata',
  },
  {
    name: 'metadata false',
    body: '{"payload":{},"metadata":false}',
    code: 'INVALID_EVENT',
    pointer: '#/metadata',
  },
  {
    name: 'event_id with a space',
    body: '{"payload":{},"event_id":"a b"}',
    code: 'INVALID_EVENT',
    pointer: '#/event_id',
  },
  {
    name: 'event_id with a line break',
    body: '{"payload":{},"event_id":"a\\n"}',
    code: 'INVALID_EVENT',
    pointer: '#/event_id',
  },
  {
    name: 'event_id empty',
    body: '{"payload":{},"event_id":""}',
    code: 'INVALID_EVENT',
    pointer: '#/event_id',
  },
  {
    name: 'event_id of 129 characters',
    body: `{"payload":{},"event_id":"${'a'.repeat(129)}"}`,
    code: 'INVALID_EVENT',
    pointer: '#/event_id',
  },
  {
    name: 'event_id ..',
    body: '{"payload":{},"event_id":".."}',
    code: 'INVALID_EVENT',
    pointer: '#/event_id',
  },
  {
    name: 'event_id a number',
    body: '{"payload":{},"event_id":1}',
    code: 'INVALID_EVENT',
    pointer: '#/event_id',
  },
  {
    name: 'an unknown member',
    body: '{"payload":{},"meta/data":{}}',
    code: 'INVALID_EVENT',
    pointer: '#/meta~1data',
  },
  { name: 'no object', body: '"payload"', code: 'INVALID_EVENT', pointer: '#' },
  { name: 'an empty body', body: '', code: 'INVALID_JSON' },
  { name: 'a cut-off body', body: '{"payload":{"a":1}', code: 'INVALID_JSON' },
  { name: 'a trailing comma', body: '{"payload":{},}', code: 'INVALID_JSON' },
  { name: 'two values', body: '{"payload":{}}{"payload":{}}', code: 'INVALID_JSON' },
  {
    name: 'invalid UTF-8',
    body: Uint8Array.of(...Buffer.from('{"payload":{"a":"'), 0xc3, 0x28, ...Buffer.from('"}}')),
    code: 'INVALID_UTF8',
  },
  {
    name: 'UTF-8 cut within a character',
    body: Uint8Array.of(...Buffer.from('{"payload":{}}'), 0xc3),
    code: 'INVALID_UTF8',
  },
  { name: 'nesting of 101 levels', body: `{"payload":${nested(100)}}`, code: 'NESTING_TOO_DEEP' },
  {
    name: 'nesting of 500,000 levels',
    body: `{"payload":${'['.repeat(500_000)}`,
    code: 'NESTING_TOO_DEEP',
  },
  {
    name: 'a form',
    body: 'payload=1',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
  },
  {
    name: 'no content type',
    body: Buffer.from('{"payload":{}}'),
    headers: {},
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
  },
  {
    name: 'one byte over 1 MiB',
    body: `{"payload":{"a":"${'x'.repeat(MIB - 19)}"}}`,
    status: 413,
    code: 'CONTENT_TOO_LARGE',
  },
  {
    name: 'no token',
    body: '{"payload":{}}',
    headers: { Authorization: '' },
    status: 401,
    code: 'UNAUTHORIZED',
  },
  {
    name: 'an unknown token',
    body: '{"payload":{}}',
    headers: { Authorization: 'Bearer dev-tokem' },
    status: 401,
    code: 'UNAUTHORIZED',
  },
  {
    name: 'another scheme',
    body: '{"payload":{}}',
    headers: { Authorization: 'Basic ZGV2LXRva2Vu' },
    status: 401,
    code: 'UNAUTHORIZED',
  },
]

/** Sends `pieces` of 64 KiB without Content-Length, until they are sent or the server has answered or hung up. */
async function postInPieces(url: URL, pieces: number): Promise<{ status: number; sent: number }> {
  const upload = request(url.href, {
    method: 'POST',
    headers: { ...AUTHORIZED, ...JSON_TYPE, 'Transfer-Encoding': 'chunked' },
  })
  let over = false
  const answered = new Promise<number>((resolve) => {
    upload.on('response', (response) => resolve(response.resume().statusCode ?? 0))
    upload.on('error', () => resolve(0))
  }).finally(() => (over = true))
  let sent = 0
  for (; sent < pieces && !over; sent++) {
    if (!upload.write('{"payload":{"a":"'.padEnd(65_536, 'x')))
      await Promise.race([new Promise((resolve) => upload.once('drain', resolve)), answered])
  }
  upload.end()
  return { status: await answered, sent }
}

describe('POST /events refuses, and stores nothing of', () => {
  for (const { name, body, headers = JSON_TYPE, status = 400, code, pointer } of refusals) {
    test(name, async ({ inbox }) => {
      const before = await inbox.metrics()
      const given = { ...headers, 'X-Correlation-ID': 'refused-1' }
      const response = await inbox.call('POST', '/events', Buffer.from(body), given)
      expect(response.headers.get('Content-Type')).toBe('application/problem+json')
      expect(response.headers.get('X-Correlation-ID')).toBe('refused-1')
      expect(response.body).toMatchObject({
        type: 'about:blank',
        title: expect.any(String),
        status,
        code,
        correlation_id: 'refused-1',
      })
      expect(response.body).toMatchObject({
        detail: expect.stringMatching(/.{15,}/),
        timestamp: expect.any(String),
      })
      if (pointer)
        expect(response.body).toMatchObject({
          errors: [{ pointer, detail: expect.stringMatching(/.{10,}/) }],
        })
      if (status === 401) expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer/)
      expect(response.status).toBe(status)
      const { total, pending, delivered, failed, queue_depth } = before
      expect(await inbox.metrics()).toMatchObject({
        total,
        pending,
        delivered,
        failed,
        queue_depth,
      })
    })
  }

  test('over 1 MiB without Content-Length, and does not wait for the end of it', async ({
    inbox,
  }) => {
    const before = await inbox.metrics()
    const url = new URL('/events', inbox.url)
    expect(await postInPieces(url, 17)).toEqual({ status: 413, sent: 17 })
    expect((await postInPieces(url, 10_000)).sent).toBeLessThan(1_000)
    expect((await inbox.metrics()).total).toBe(before.total)
  })

  test('several wrong members, naming each', async ({ inbox }) => {
    const { body } = await inbox.post({ metadata: 1, event_id: '' })
    expect(body.errors.map((error) => error.pointer)).toEqual([
      '#/payload',
      '#/metadata',
      '#/event_id',
    ])
  })
})

describe('POST /events accepts', () => {
  test('exactly 1 MiB, 100 levels, and a content type with parameters', async ({ inbox }) => {
    const largest = `{"payload":{"a":"${'x'.repeat(MIB - 20)}"}}`
    expect(largest).toHaveLength(MIB)
    expect((await inbox.post(largest)).status).toBe(202)
    expect((await inbox.post(`{"payload":${nested(99)}}`)).status).toBe(202)
    expect(
      (await inbox.post('{"payload":{}}', { 'Content-Type': 'Application/JSON; charset=utf-8' }))
        .status,
    ).toBe(202)
  })
})
