import { connect } from 'node:net'
import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect } from 'vitest'
import { type Inbox, inParallel, test } from '../support/world'

const REQUESTS = 2_400
const BROKEN = 60
const TOKEN = 'Authorization: Bearer dev-token\r\n'

interface Request {
  method: string
  path: string
  headers: Record<string, string>
  body: Uint8Array
  /** The body before it was compressed. */
  plain: Uint8Array
}

const bytes = (text: string) => new TextEncoder().encode(text)
const key = fc.oneof(
  fc.constantFrom(
    'payload',
    'metadata',
    'event_id',
    '__proto__',
    'constructor',
    'data',
    'id',
    'source',
    'type',
    'specversion',
    '',
  ),
  fc.string({ unit: 'binary' }),
)
const scalar = fc.oneof(
  fc.constantFrom(
    '1e400',
    '-0',
    '1.0',
    '12345678901234567890123456789',
    '0.1e-999',
    '"\\ud800"',
    '"\\u0000"',
    '"\\udfff\\ud800"',
    'true',
    'null',
    '"\\\\\\""',
  ),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.jsonValue().map((value) => JSON.stringify(value)),
)
const noJson = fc.constantFrom('01', '1.', 'NaN', '"\u0000"', '\ufeff1')
const object = fc
  .array(
    fc.tuple(key, fc.oneof({ weight: 40, arbitrary: scalar }, { weight: 1, arbitrary: noJson })),
    { maxLength: 4 },
  )
  .map(
    (entries) =>
      `{${entries.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(' ,')}}`,
  )
const deep = fc
  .tuple(fc.integer({ min: 90, max: 110 }), fc.constantFrom('[', '{"a":'))
  .map(
    ([levels, open]) =>
      `{"payload":{"d":${open.repeat(levels)}1${(open === '[' ? ']' : '}').repeat(levels)}}}`,
  )
const event = fc
  .tuple(
    object,
    fc.option(object),
    fc.option(fc.oneof(fc.stringMatching(/^[A-Za-z0-9._:-]{1,40}$/), fc.string())),
    fc.boolean(),
  )
  .map(([payload, metadata, id, twice]) => {
    const members = [
      `"payload":${payload}`,
      ...(metadata === null ? [] : [`"metadata" : ${metadata}`]),
      ...(id === null ? [] : [`"event_id":${JSON.stringify(id)}`]),
      ...(twice ? [`"payload": ${payload}`] : []),
    ]
    return `{${members.join(',')}}`
  })
const cloudEvent = object.map(
  (data) =>
    `{"specversion":"1.0","id":${JSON.stringify(data.slice(0, 20))},"source":"/fuzz","type":"t","data":${data}}`,
)
const text = fc.oneof(
  { weight: 5, arbitrary: event },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: cloudEvent },
  { weight: 1, arbitrary: fc.array(event, { maxLength: 5 }).map((list) => `[${list.join()}]`) },
  { weight: 1, arbitrary: fc.array(event, { maxLength: 5 }).map((list) => list.join('\n')) },
  { weight: 1, arbitrary: object },
  { weight: 1, arbitrary: event.map((each) => `\ufeff${each}`) },
)
/** A byte changed, taken out or put in. */
const mutated = fc
  .tuple(text, fc.nat(), fc.nat({ max: 255 }), fc.constantFrom(0, 1, 2))
  .map(([source, at, byte, how]) => {
    const all = [...bytes(source)]
    all.splice(at % (all.length + 1), how === 0 ? 1 : how - 1, ...(how === 1 ? [] : [byte]))
    return Uint8Array.from(all)
  })
const body = fc.oneof(
  { weight: 4, arbitrary: text.map(bytes) },
  { weight: 3, arbitrary: mutated },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
)

/** How bodies are compressed: mostly not at all, sometimes so that it cannot be undone. */
const coding = fc.oneof(
  { weight: 8, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.constant({ name: 'gzip', compress: (each: Uint8Array) => gzipSync(each) }),
  },
  {
    weight: 1,
    arbitrary: fc.constant({ name: 'deflate', compress: (each: Uint8Array) => deflateSync(each) }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) => ({
      name: 'gzip',
      compress: (each: Uint8Array) => {
        const zipped = gzipSync(each)
        zipped[at % zipped.length] = byte
        return zipped
      },
    })),
  },
)

const visible = fc.stringMatching(/^[\x21-\x7e]{0,60}$/)
const headerValue = fc.oneof(
  visible,
  fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,40}$/),
  fc.constantFrom('%FF', '"', '%', '%zz', '""', '1.0'),
)
const headers = fc.tuple(
  fc.constantFrom(
    'application/json',
    'application/json',
    'application/json',
    'Application/JSON; charset=latin1',
    'application/x-ndjson',
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
    'application/vnd.x+json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'text/plain; charset=utf-16',
    'image/png',
    ';',
    'application/json,application/json',
  ),
  fc.dictionary(
    fc.constantFrom(
      'idempotency-key',
      'x-correlation-id',
      'ce-id',
      'ce-source',
      'ce-type',
      'ce-specversion',
      'ce-x',
      'webhook-id',
      'webhook-timestamp',
      'accept',
      'origin',
      'x-anything',
      'content-encoding',
    ),
    headerValue,
    { maxKeys: 2 },
  ),
  fc.oneof(
    { weight: 12, arbitrary: fc.constant('Bearer dev-token') },
    { weight: 1, arbitrary: fc.constantFrom('Bearer x', 'Basic eDp4', '') },
  ),
)
const path = fc.oneof(
  fc.constantFrom(
    '/inbox',
    '/metrics',
    '/dlq',
    '/health',
    '/inbox/ack',
    '/dlq/retry',
    '//',
    '/inbox/',
    '/openapi.json',
    '/evnets',
    '/health/',
    '/inbox/%00',
    '/inbox/..%2f..',
    '/inbox/a/ack',
    '/inbox/a/nack',
    '/inbox/a/retry',
  ),
  visible.map((each) => `/inbox/${encodeURIComponent(each)}`),
  visible.map((each) => `/${each.replaceAll(/[#?]/g, '')}`),
)
const parameter = fc.tuple(
  fc.constantFrom(
    'status',
    'from',
    'to',
    'created_date',
    'min_retries',
    'cursor',
    'limit',
    'offset',
    'sort',
    'order',
    'payload.a',
    'metadata.a.b',
    'payload.',
    'filter[payload.a]',
    'filter[metadata][a][b]',
    'filter[',
    'filter[]',
    'ready',
    'verify',
    'format',
    'x',
  ),
  fc.oneof(
    fc.constantFrom(
      'pending',
      '2026-11-21',
      '1',
      '0',
      '-1',
      '1e9',
      'true',
      "' OR 1=1 --",
      '$[',
      '9007199254740993',
    ),
    fc.string(),
  ),
)
const query = fc
  .array(parameter, { maxLength: 4 })
  .map((list) =>
    list.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&'),
  )
const request: fc.Arbitrary<Request> = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(null) },
      {
        weight: 2,
        arbitrary: fc.tuple(
          fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD'),
          path,
          query,
        ),
      },
    ),
    headers,
    body,
    coding,
  )
  .map(([other, [type, more, authorization], content, coded]) => ({
    method: other?.[0] ?? 'POST',
    path: other ? `${other[1]}?${other[2]}` : '/events',
    headers: {
      'content-type': type,
      ...(authorization && { authorization }),
      ...more,
      ...(coded && { 'content-encoding': coded.name }),
    },
    body: coded ? coded.compress(content) : content,
    plain: content,
  }))

interface Answer {
  status: number
  /** The status line and the headers. */
  head: string
  text: string
}

/** Sends a request as raw bytes, so that no client tidies it up. Undefined when the server hangs up without a word. */
function send(
  inbox: Inbox,
  { method, path: target, headers: all, body: content }: Request,
): Promise<Answer | undefined> {
  const lines = Object.entries({
    ...all,
    host: inbox.url.host,
    connection: 'close',
    'content-length': String(content.byteLength),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return exchange(inbox, [head, content])
}

function exchange(inbox: Inbox, parts: Uint8Array[], hangUp = false): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(inbox.url.port), inbox.url.hostname)
    let received = ''
    socket.setTimeout(20_000, () => {
      socket.destroy()
      reject(new Error(`no answer to ${Buffer.concat(parts).toString('latin1').slice(0, 500)}`))
    })
    socket.on('data', (chunk) => (received += chunk.toString('utf8')))
    socket.on('error', () => {})
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1]
      const end = received.indexOf('\r\n\r\n')
      resolve(
        status
          ? { status: Number(status), head: received.slice(0, end), text: received.slice(end + 4) }
          : undefined,
      )
    })
    for (const part of parts) socket.write(part)
    if (hangUp) socket.write('', () => socket.destroy())
  })
}

interface Accepted {
  status: string
  event_id: string
}

test(`${REQUESTS} hostile requests meet no 5xx, no hang and no stack trace; what is accepted reads back as it was sent, and nothing else is stored`, async ({
  inbox,
}) => {
  const tally = new Map<string, number>()
  const accepted: { id: string; body: string }[] = []
  /** Some random DELETE names an id that is there. */
  const deleted = new Set<string>()
  let replays = 0
  // Some are sent again, as a client does that lost the answer.
  const requests = fc
    .sample(request, REQUESTS)
    .flatMap((each, n) => (n % 5 === 0 ? [each, each] : [each]))
  await inParallel(requests.length, 16, async (n) => {
    const each = requests[n]
    if (!each) return
    const answer = await send(inbox, each)
    const name = String(answer?.status ?? 'hung up')
    tally.set(name, (tally.get(name) ?? 0) + 1)
    const told = `${each.method} ${each.path} ${JSON.stringify(each.headers)} ${Buffer.from(each.body).toString('latin1')}\n${answer?.text}`
    if (answer && answer.status >= 500) throw new Error(told)
    if (/\n\s+at |\.ts:\d|node_modules|SQLITE/.test(answer?.text ?? '')) throw new Error(told)
    if (each.method === 'DELETE' && answer?.status === 200)
      deleted.add(JSON.parse(/\{.*\}/s.exec(answer.text)?.[0] ?? '').data.event_id)
    if (each.path !== '/events' || (answer?.status !== 202 && answer?.status !== 207)) return
    const { data }: { data: Accepted | Accepted[] } = JSON.parse(
      /\{.*\}/s.exec(answer.text)?.[0] ?? '',
    )
    const isReplayed = /^idempotency-replayed: true$/im.test(answer.head)
    if (isReplayed) replays++
    for (const result of [data].flat())
      if (result.status === 'accepted' && !isReplayed)
        accepted.push({ id: result.event_id, body: Buffer.from(each.plain).toString('utf8') })
  })
  const ids = new Set(accepted.map(({ id }) => id))
  await inbox.drained()
  await inbox.expectVerified()
  const held = await inbox.rows()
  for (const { event_id } of held) expect(ids).toContain(event_id)
  const byId = new Map(held.map((row) => [row.event_id, row]))
  expect([...ids].filter((id) => !byId.has(id) && !deleted.has(id))).toEqual([])
  const times = Map.groupBy(accepted, ({ id }) => id)
  expect([...ids].filter((id) => times.get(id)?.length !== 1 && !deleted.has(id))).toEqual([])
  for (const { id, body: sent } of accepted) {
    const payload = byId.get(id)?.payload
    // Of one that was deleted, and accepted anew, either body may be there.
    if (payload === undefined || deleted.has(id)) continue
    const { text: listed } = await inbox.get(`/inbox/${id}`)
    expect(listed).toContain(`"payload":${payload},`)
    // Text or bytes that were no JSON stand in it as a JSON string; all else is the sender's own text.
    const source = /^\{"data":(.*)\}$/s.exec(payload)?.[1] ?? payload
    if (!payload.startsWith('{"data_base64"') && payload !== '{}' && !source.startsWith('"'))
      expect(sent).toContain(source)
  }
  console.info(
    `${REQUESTS} requests: ${[...tally]
      .toSorted()
      .map(([name, count]) => `${count} times ${name}`)
      .join(', ')}; ${ids.size} events accepted, ${replays} answers replayed`,
  )
  expect(replays).toBeGreaterThan(0)
  expect(ids.size).toBeGreaterThan(50)
}, 240_000)

test('a body that is cut off stores nothing; one that comes slowly is accepted', async ({
  inbox,
}) => {
  const { total } = await inbox.metrics()
  await inParallel(BROKEN, 8, async (n) => {
    const content = JSON.stringify({ event_id: `cut-${n}`, payload: { text: 'x'.repeat(n * 50) } })
    const head = `POST /events HTTP/1.1\r\nHost: ${inbox.url.host}\r\n${TOKEN}Content-Type: application/json\r\nContent-Length: ${content.length}\r\n\r\n`
    await exchange(
      inbox,
      [bytes(head), bytes(content.slice(0, (content.length * n) / BROKEN))],
      true,
    )
  })
  expect((await inbox.metrics()).total).toBe(total)
  const chunks = [...'{"event_id":"slow","payload":{"a":1}}'].map((letter) =>
    bytes(`1\r\n${letter}\r\n`),
  )
  const head = `POST /events HTTP/1.1\r\nHost: ${inbox.url.host}\r\n${TOKEN}Content-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`
  expect((await exchange(inbox, [bytes(head), ...chunks, bytes('0\r\n\r\n')]))?.status).toBe(202)
  expect((await inbox.metrics()).total).toBe(total + 1)
})
