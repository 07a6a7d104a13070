import { base64Of } from '../../shared/encoding'
import { jsonOf, JsonText } from '../../shared/json'
import { LIMITS } from '../../shared/limits'
import { type Complaint, HttpError } from '../../shared/problem'
import { withoutMark } from '../http/body'
import { parseJson, typeName } from '../http/json'
import { isJson, parseMediaType } from '../http/media-type'
import { isTimestamp } from '../http/time'
import { type Draft, invalidEvent, parseMembers, payloadOf } from './event'

/**
 * This module reads CloudEvents 1.0, in the three modes of the HTTP binding.
 * `data` becomes the payload, the attributes become the metadata, and `source` + `id` identify the event. No I/O.
 */

const REQUIRED = ['id', 'source', 'specversion', 'type']
/** These may be missing, but not empty. Any other attribute that is not required is an extension. */
const OPTIONAL = ['datacontenttype', 'dataschema', 'subject', 'time']
const MAX_INTEGER = 2 ** 31

/**
 * Parses an event in structured mode: `application/cloudevents+json`, or an entry of a batch.
 * @throws HttpError 400 that names every wrong attribute
 */
export function parseCloudEvent(text: string): Draft {
  const { parsed, sources } = parseMembers(text)
  if ('payload' in parsed && !('specversion' in parsed)) {
    const detail = 'is a member of a plain event; send those with "Content-Type: application/json"'
    throw invalidEvent([{ pointer: '#/payload', detail }])
  }
  const attributes = Object.entries(parsed).filter(
    ([name, value]) => name !== 'data' && name !== 'data_base64' && value !== null,
  )
  const complaints = check(Object.fromEntries(attributes))
  if ('data' in parsed && 'data_base64' in parsed)
    complaints.push({ pointer: '#/data_base64', detail: 'cannot stand beside data' })
  if ('data_base64' in parsed && !isBase64(parsed.data_base64))
    complaints.push({ pointer: '#/data_base64', detail: 'must be a base64 string' })
  if (complaints.length > 0) throw invalidEvent(complaints)
  const data = sources.get('data')
  const base64 = sources.get('data_base64')
  const payload =
    data !== undefined
      ? payloadOf(parsed.data, data)
      : base64 !== undefined
        ? jsonOf({ data_base64: new JsonText(base64) })
        : '{}'
  const metadata = attributes.map(([name]) => [name, new JsonText(sources.get(name) ?? 'null')])
  return {
    event_id: null,
    not_before: null,
    identity: ['cloudevents', String(parsed.source), String(parsed.id)],
    payload,
    metadata: jsonOf(Object.fromEntries(metadata)),
  }
}

/**
 * Parses an event in binary mode: attributes in `ce-` headers, and the body as data.
 * @throws HttpError 400 that names every wrong attribute, 415 for an unknown charset
 */
export function parseBinaryCloudEvent(headers: Headers, body: Uint8Array): Draft {
  const attributes: Record<string, string> = {}
  const complaints: Complaint[] = []
  for (const [header, value] of headers) {
    if (!header.startsWith('ce-')) continue
    const name = header.slice(3)
    const decoded = decodeHeader(value)
    if (name === 'datacontenttype')
      complaints.push({
        pointer: '#/datacontenttype',
        detail: 'is the Content-Type header in this mode',
      })
    else attributes[name] = decoded
  }
  const contentType = headers.get('Content-Type')
  if (contentType) attributes.datacontenttype = contentType
  complaints.push(...check(attributes))
  if (complaints.length > 0) throw invalidEvent(complaints)
  const names = [attributes.source ?? '', attributes.id ?? '']
  // Two that were damaged on their way may look alike, and not be the same.
  const isDamaged = names.some((name) => name.includes('\ufffd'))
  const identity = isDamaged ? null : ['cloudevents', ...names]
  return {
    event_id: null,
    not_before: null,
    identity,
    payload: binaryPayload(headers, body),
    metadata: JSON.stringify(attributes),
  }
}

/**
 * Makes the payload from the data of an event in binary mode.
 * The media type alone says what it is: JSON, text in a charset, or bytes.
 */
function binaryPayload(headers: Headers, body: Uint8Array): string {
  if (body.byteLength === 0) return '{}'
  const contentType = parseMediaType(headers.get('Content-Type'))
  const mediaType = contentType.type || 'application/json'
  if (isJson(mediaType)) {
    const text = withoutMark(decode(body, 'utf-8'))
    return payloadOf(parseJson(text), text.trim())
  }
  if (!isText(mediaType)) return JSON.stringify({ data_base64: base64Of(body) })
  const charset = contentType.parameters.get('charset') || 'utf-8'
  return JSON.stringify({ data: decode(body, charset) })
}

const TEXT_TYPES = [
  'application/xml',
  'application/yaml',
  'application/x-ndjson',
  'application/x-www-form-urlencoded',
  'application/javascript',
]

function isText(mediaType: string): boolean {
  return /^text\/|\+(xml|yaml)$/.test(mediaType) || TEXT_TYPES.includes(mediaType)
}

/** Decodes text. @throws HttpError 415 for a charset that is not known, 400 for bytes that are not valid in it */
function decode(bytes: Uint8Array, charset: string): string {
  let decoder: TextDecoder
  try {
    decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: true })
  } catch {
    const detail =
      'The charset of the Content-Type is not known. Send the data in UTF-8, or as application/octet-stream.'
    throw new HttpError(415, 'UNSUPPORTED_MEDIA_TYPE', detail)
  }
  try {
    return decoder.decode(bytes)
  } catch {
    const detail =
      `The data is not valid ${decoder.encoding}. Name its charset, as in ` +
      '"text/plain; charset=iso-8859-1", or send it as application/octet-stream.'
    throw new HttpError(400, 'INVALID_UTF8', detail)
  }
}

/** Checks the attributes against the specification (CloudEvents 1.0.2 §3). @returns what is wrong */
function check(attributes: Record<string, unknown>): Complaint[] {
  const complaints: Complaint[] = []
  const complain = (name: string, detail: string) =>
    complaints.push({ pointer: `#/${name.slice(0, 64)}`, detail })
  for (const name of REQUIRED)
    if (!(name in attributes)) complain(name, 'is a required attribute and is missing')
  if ('specversion' in attributes && attributes.specversion !== '1.0')
    complain('specversion', 'must be "1.0"')
  for (const [name, value] of Object.entries(attributes)) {
    if (complaints.length >= LIMITS.COMPLAINTS) break
    if (!/^[a-z0-9]{1,64}$/.test(name))
      complain(name.toWellFormed(), 'is no attribute name: those are lower-case letters and digits')
    else if (REQUIRED.includes(name) || OPTIONAL.includes(name)) {
      if (value === '') complain(name, 'must not be empty')
      else if (typeof value !== 'string') complain(name, `must be a string, not ${typeName(value)}`)
      else if (name === 'time' && !isTimestamp(value))
        complain(
          name,
          'must be an RFC 3339 timestamp such as 2026-11-21T08:30:00Z, of a day there is',
        )
      else if (name === 'dataschema' && !URL.canParse(value))
        complain(name, 'must be an absolute URI')
    } else if (!isSimple(value)) complain(name, 'must be a string, a boolean or a 32-bit integer')
  }
  return complaints
}

function isSimple(value: unknown): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= -MAX_INTEGER && value < MAX_INTEGER
  return typeof value === 'string' || typeof value === 'boolean'
}

/**
 * Decodes a header as the HTTP binding says (§3.1.3.2): quotes are taken off, percent-encoding is undone.
 * What is no valid encoding is taken as it is, as senders do not always encode. Bytes that were no UTF-8 have become
 * U+FFFD in the runtime already.
 */
function decodeHeader(value: string): string {
  const bare = /^".*"$/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value
  try {
    return decodeURIComponent(bare.replaceAll(/%(?![0-9A-Fa-f]{2})/g, '%25'))
  } catch {
    return bare
  }
}

function isBase64(value: unknown): boolean {
  return typeof value === 'string' && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
}

/** Says whether a request carries an event in binary mode. */
export function isBinaryCloudEvent(headers: Headers): boolean {
  return headers.has('ce-specversion') || headers.has('ce-id')
}
