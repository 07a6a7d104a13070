import { jsonOf, JsonText } from '../../../shared/json'
import type { Scheme } from '../../../shared/source-types'
import type { Source } from '../../../shared/sources'
import type { Delivery } from './delivery'
import type { Accepted } from './verify'

/** What is kept of a delivery beside its payload. */

/** Of the headers as JSON. */
const MAX_HEADER_BYTES = 8_192
/** A longer id or type is cut: it can stand in the body, which is stored whole. */
const MAX_NAME_LENGTH = 1_000
const CREDENTIALS =
  /authorization|cookie|signature|hmac|token|secret|^cf-|^x-forwarded|^forwarded$|^x-real-ip$|^true-client-ip$/

/**
 * JSON text `{"source", "type", "id", "content_type", "headers"}`.
 * Headers that prove the delivery, or say who passed it on, are left out, and those that would not fit.
 */
export function metadataOf(source: Source, { headers }: Delivery, { id, type }: Accepted): string {
  return jsonOf({
    source: source.name,
    type: cut(type),
    id: cut(id),
    content_type: cut(headers.get('Content-Type')),
    headers: new JsonText(headersJson(headers, credentialsOf(source))),
  })
}

function cut(name: string | null): string | null {
  return name && name.slice(0, MAX_NAME_LENGTH).toWellFormed()
}

/** The headers that this source's schemes read as credentials, whatever their names. */
function credentialsOf(source: Source): string[] {
  return source.row.schemes.flatMap((scheme: Scheme) =>
    scheme.kind === 'signature' ? scheme.headers : scheme.kind === 'token' ? [scheme.header] : [],
  )
}

const encoder = new TextEncoder()

/** Written by hand, as `__proto__` is a name that a header can have. */
function headersJson(headers: Headers, credentials: readonly string[]): string {
  const members: string[] = []
  let size = '{}'.length
  for (const [name, value] of headers) {
    if (CREDENTIALS.test(name) || credentials.includes(name)) continue
    const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`
    const isAscii = /^[\x20-\x7e]*$/.test(value)
    const bytes = ','.length + (isAscii ? member.length : encoder.encode(member).byteLength)
    if (size + bytes > MAX_HEADER_BYTES) continue
    size += bytes
    members.push(member)
  }
  return `{${members.join(',')}}`
}
