import { request } from 'node:http'
import { constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect } from 'vitest'
import { AUTHORIZED, type Inbox, test } from '../support/world'

const MIB = 1_048_576
const GZIP_HEADER = gzipSync('').subarray(0, 10)
const JSON_TYPE = { 'Content-Type': 'application/json' }

async function post(
  inbox: Inbox,
  body: Uint8Array | string,
  headers: Record<string, string>,
  path = '/events',
) {
  const all = { ...JSON_TYPE, ...headers }
  const { body: answer, ...rest } = await inbox.call('POST', path, Buffer.from(body), all)
  return { ...answer, ...rest }
}

/** Sends `pieces` times the same bytes without Content-Length, until they are sent or the answer is there. */
async function postInPieces(inbox: Inbox, first: Uint8Array, piece: Uint8Array, pieces: number) {
  const upload = request(new URL('/events', inbox.url).href, {
    method: 'POST',
    headers: {
      ...AUTHORIZED,
      ...JSON_TYPE,
      'Content-Encoding': 'gzip',
      'Transfer-Encoding': 'chunked',
    },
  })
  let over = false
  const answered = new Promise<number>((resolve) => {
    upload.on('response', (response) => resolve(response.resume().statusCode ?? 0))
    upload.on('error', () => resolve(0))
  }).finally(() => (over = true))
  upload.write(first)
  let sent = 0
  for (; sent < pieces && !over; sent++) {
    if (!upload.write(piece))
      await Promise.race([new Promise((resolve) => upload.once('drain', resolve)), answered])
  }
  upload.end()
  return { status: await answered, sent }
}

describe('a compressed body', () => {
  const event = '{"payload":{"n":1.0,"text":"é"}}'

  test('is stored as what it was before it was compressed', async ({ inbox }) => {
    for (const [coding, bytes] of [
      ['gzip', gzipSync(event)],
      ['GZip', gzipSync(event)],
      ['x-gzip', gzipSync(event)],
      ['deflate', deflateSync(event)],
      ['identity', Buffer.from(event)],
    ] as const) {
      const { status, data } = await post(inbox, bytes, { 'Content-Encoding': coding })
      expect([coding, status]).toEqual([coding, 202])
      expect((await inbox.get(`/inbox/${data?.event_id}`)).text).toContain(
        '"payload":{"n":1.0,"text":"é"}',
      )
    }
  })

  test('is taken in every way that events come in, and with commands', async ({ inbox }) => {
    const gzip = { 'Content-Encoding': 'gzip' }
    const lines = gzipSync('{"event_id":"z-1","payload":{}}\n{"event_id":"z-2","payload":{}}')
    const ndjson = { ...gzip, 'Content-Type': 'application/x-ndjson' }
    expect((await post(inbox, lines, ndjson)).status).toBe(202)
    const cloud = { 'ce-id': '1', 'ce-source': '/z', 'ce-type': 't', 'ce-specversion': '1.0' }
    const text = { ...gzip, ...cloud, 'Content-Type': 'text/plain' }
    const { data } = await post(inbox, gzipSync('hello'), text)
    expect((await inbox.event(data?.event_id ?? '')).payload).toEqual({ data: 'hello' })
    const ids = gzipSync('{"event_ids":["z-1"]}')
    expect((await post(inbox, ids, gzip, '/inbox/ack')).status).toBe(200)
    const reason = gzipSync('{"error":"no"}')
    expect((await post(inbox, reason, gzip, '/inbox/z-2/nack')).status).toBe(200)
    expect((await post(inbox, '', gzip, '/inbox/z-2/nack')).status).toBe(200)
  })

  test('has the same idempotency as the plain one', async ({ inbox }) => {
    const key = { 'Idempotency-Key': 'zipped' }
    expect((await post(inbox, event, key)).status).toBe(202)
    const again = await post(inbox, gzipSync(event), { ...key, 'Content-Encoding': 'gzip' })
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([202, 'true'])
  })

  test('may have as many bytes as the plain one, counted as they come out', async ({ inbox }) => {
    const largest = `{"payload":{"a":"${'x'.repeat(MIB - 20)}"}}`
    // Not compressed at all, it is longer than what is in it.
    for (const level of [0, 9]) {
      const zipped = gzipSync(largest, { level })
      expect((await post(inbox, zipped, { 'Content-Encoding': 'gzip' })).status).toBe(202)
    }
    const over = gzipSync(`${largest} `)
    const refused = await post(inbox, over, { 'Content-Encoding': 'gzip' })
    expect([refused.status, refused.code]).toEqual([413, 'CONTENT_TOO_LARGE'])
    const command = gzipSync(`{"event_ids":["a"${' '.repeat(300_000)}]}`)
    const large = await post(inbox, command, { 'Content-Encoding': 'gzip' }, '/inbox/ack')
    expect([large.status, large.code]).toEqual([413, 'CONTENT_TOO_LARGE'])
  })

  test('is decompressed no further than the limit', async ({ inbox }) => {
    const bomb = gzipSync(Buffer.alloc(80 * MIB, ' '))
    const { status, code } = await post(inbox, bomb, { 'Content-Encoding': 'gzip' })
    expect([status, code]).toEqual([413, 'CONTENT_TOO_LARGE'])
    // A mebibyte of blanks in a kilobyte, without an end: only the limit can stop it.
    const blanks = deflateRawSync(Buffer.alloc(MIB, ' '), {
      finishFlush: constants.Z_FULL_FLUSH,
    })
    const { sent } = await postInPieces(inbox, GZIP_HEADER, blanks, 100_000)
    expect(sent).toBeLessThan(50_000)
  })

  test('that never brings anything is stopped too', async ({ inbox }) => {
    // Blocks of nothing, as a flush writes them.
    const nothing = Buffer.concat(Array(4_096).fill(Buffer.from([0, 0, 0, 0xff, 0xff])))
    const enough = Math.ceil((8 * MIB + 16_384) / nothing.length)
    const { status } = await postInPieces(inbox, GZIP_HEADER, nothing, enough)
    expect(status).toBe(413)
    const { sent } = await postInPieces(inbox, GZIP_HEADER, nothing, 100_000)
    expect(sent).toBeLessThan(50_000)
  })

  test('that is broken stores nothing, and says so', async ({ inbox }) => {
    const { total } = await inbox.metrics()
    const zipped = gzipSync(event)
    const broken: [string, Uint8Array][] = [
      ['gzip', zipped.subarray(0, -4)],
      ['gzip', Buffer.concat([zipped, Buffer.from('more')])],
      ['gzip', Buffer.from(event)],
      ['gzip', deflateSync(event)],
      ['gzip', Buffer.from(zipped.map((byte, at) => (at === zipped.length - 6 ? byte ^ 1 : byte)))],
      ['deflate', deflateRawSync(event)],
      ['deflate', zipped],
    ]
    for (const [coding, bytes] of broken) {
      const { status, code } = await post(inbox, bytes, { 'Content-Encoding': coding })
      expect([coding, status, code]).toEqual([coding, 400, 'INVALID_ENCODING'])
    }
    expect((await inbox.metrics()).total).toBe(total)
  })

  test('in another coding is told which ones are taken', async ({ inbox }) => {
    for (const coding of ['br', 'zstd', 'gzip, gzip', 'deflate-raw', '__proto__', 'constructor']) {
      const { status, code, headers } = await post(inbox, event, { 'Content-Encoding': coding })
      expect([coding, status, code]).toEqual([coding, 415, 'UNSUPPORTED_ENCODING'])
      expect(headers.get('Accept-Encoding')).toBe('gzip, deflate, identity')
    }
  })
})

describe('a byte order mark', () => {
  test('in front of JSON is taken off, and nothing else', async ({ inbox }) => {
    const { data } = await post(inbox, '\ufeff{"payload":{"text":"\ufeffa"}}', {})
    expect((await inbox.get(`/inbox/${data?.event_id}`)).text).toContain(
      '"payload":{"text":"\ufeffa"}',
    )
    const ndjson = { 'Content-Type': 'application/x-ndjson' }
    expect((await post(inbox, '\ufeff{"payload":{}}\n{"payload":{}}', ndjson)).status).toBe(202)
    expect((await post(inbox, '\ufeff[{"payload":{}}]', {})).status).toBe(202)
    const ids = '\ufeff{"event_ids":["unknown"]}'
    expect((await post(inbox, ids, {}, '/inbox/ack')).status).toBe(207)
    expect((await post(inbox, '\ufeff\ufeff{"payload":{}}', {})).code).toBe('INVALID_JSON')
  })
})
