import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'

/** A request as raw bytes, of which hardly anything is what it should be. */
export interface HostileRequest {
  method: string
  path: string
  headers: Record<string, string>
  body: Uint8Array
  /** The body before it was compressed. */
  plain: Uint8Array
}

export const bytes = (text: string) => new TextEncoder().encode(text)
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
export const hostileRequest: fc.Arbitrary<HostileRequest> = fc
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
