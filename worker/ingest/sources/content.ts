import { base64Of } from '../../../shared/encoding'
import { isObject } from '../../../shared/json'
import { withoutMark } from '../../http/body'
import { parseJson } from '../../http/json'
import { isJson, mediaTypeOf, parseMediaType } from '../../http/media-type'
import { payloadOf } from '../event'
import { formPayload, parseForm } from './form'

/** From the body of a delivery to the payload of an event. Nothing that was proven is refused for its form. No I/O. */

export interface Content {
  /** JSON text of an object, to be stored as it is. */
  payload: string
  /** What JSON pointers are looked up in; undefined for what is neither JSON nor a form. */
  value: unknown
  /** The JSON text of `value`; null where `value` was no JSON text. */
  source: string | null
  /** The fields of a form in their order; null for what is none. */
  fields: readonly [string, string][] | null
}

const FORM = 'application/x-www-form-urlencoded'

/**
 * Reads a body: a JSON object is the payload byte for byte, other JSON and text are `{"data": …}`, a form is an
 * object of its fields, and all else, `multipart` too, is `{"data_base64": "…"}`.
 * JSON is told by its look, as senders label it with any type; a number or a word alone is JSON only where no type says
 * otherwise.
 */
export function readContent(body: Uint8Array, headers: Headers): Content {
  const mediaType = mediaTypeOf({ headers })
  const text = decode(body, headers)
  if (text === null) return plain(JSON.stringify({ data_base64: base64Of(body) }))
  const json = withoutMark(text).trim()
  if (/^[[{]/.test(json) || mediaType === '' || isJson(mediaType)) {
    const value = jsonValue(json)
    if (value !== undefined)
      return { payload: payloadOf(value, json), value, source: json, fields: null }
    // Nested too deep to be stored as JSON, it still says which event it is.
    const deep = parsed(json)
    if (deep !== undefined)
      return { ...plain(JSON.stringify({ data: text })), value: deep, source: json }
  }
  if (mediaType === FORM)
    return isForm(text) ? formContent(text) : plain(JSON.stringify({ data: text }))
  if (text === '') return plain('{}')
  return isText(mediaType) || /^[[{]/.test(json)
    ? plain(JSON.stringify({ data: text }))
    : plain(JSON.stringify({ data_base64: base64Of(body) }))
}

/** More fields than any sender has would take many times their bytes, before anybody knows whose they are. */
const MAX_FIELDS = 1_000

function isForm(text: string): boolean {
  let fields = 1
  for (
    let at = text.indexOf('&');
    at !== -1 && fields <= MAX_FIELDS;
    at = text.indexOf('&', at + 1)
  )
    fields++
  return fields <= MAX_FIELDS
}

function plain(payload: string): Content {
  return { payload, value: undefined, source: null, fields: null }
}

/** A form whose only field is `payload` with a JSON object, as GitHub and Slack send it, is that object. */
function formContent(text: string): Content {
  const fields = parseForm(text)
  const [[name, json = ''] = []] = fields
  if (fields.length === 1 && name === 'payload') {
    const source = json.trim()
    const value = jsonValue(source)
    if (isObject(value)) return { payload: source, value, source, fields }
  }
  return { ...formPayload(fields), source: null, fields }
}

/** The JSON in `text`; undefined for what is none, or is nested deeper than is stored as JSON. */
function jsonValue(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

/** Any JSON, however deep; undefined for what is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const TEXT_TYPES = [
  '',
  'application/json',
  'application/xml',
  'application/yaml',
  'application/x-ndjson',
  'application/javascript',
]

function isText(mediaType: string): boolean {
  return /^text\/|\+(json|xml|yaml)$/.test(mediaType) || TEXT_TYPES.includes(mediaType)
}

/** The body as text, in the charset that is named or else in UTF-8; null when it is in neither. */
function decode(body: Uint8Array, headers: Headers): string | null {
  const charset = parseMediaType(headers.get('Content-Type')).parameters.get('charset')
  // JSON is UTF-8, whatever is said of it (RFC 8259 §8.1).
  const isUtf8 = charset === undefined || isJson(mediaTypeOf({ headers }))
  const charsets = isUtf8 ? ['utf-8', charset] : [charset, 'utf-8']
  for (const each of charsets) {
    const text = each === undefined ? null : decodeAs(each, body)
    if (text !== null) return text
  }
  return null
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeAs(charset: string, body: Uint8Array): string | null {
  try {
    const decoder =
      charset === 'utf-8' ? utf8 : new TextDecoder(charset, { fatal: true, ignoreBOM: true })
    return decoder.decode(body)
  } catch {
    // An unknown charset, or bytes that are not in it.
    return null
  }
}
