import { bytesOfText, hexOf } from '../../../shared/encoding'
import type { Content } from './content'
import type { Delivery } from './delivery'

/** What a sender signed: the template of its row, filled in. */

export interface Filling {
  id: string
  timestamp: string
  /** The URL that the configuration names, if it does. */
  url: string | null
}

/**
 * The messages that a signature may be of: one, or where the URL is signed one for each way to write it.
 * Null for a delivery with something in it that no signature of this kind covers.
 */
export async function messagesOf(
  template: string,
  filling: Filling,
  delivery: Delivery,
  content: () => Content,
): Promise<Iterable<Uint8Array> | null> {
  const fields = template.includes('{fields}') ? await signedFields(delivery, content) : ''
  if (fields === null) return null
  const digest = template.includes('{fields}') ? digestIn(delivery.url) : null
  const urls = template.includes('{url}') ? urlsOf(delivery.url, filling.url) : ['']
  // Where the body is covered by its digest alone, the URL that is signed has to have it.
  const covering = urls.filter((each) => digest === null || digestIn(each) === digest)
  return messages(template, filling, delivery, fields, covering)
}

/** One at a time: each may hold a copy of the body. */
function* messages(
  template: string,
  { id, timestamp }: Filling,
  { method, body }: Delivery,
  fields: string,
  urls: readonly string[],
): Generator<Uint8Array> {
  const parts = template.split(/\{(\w+)\}/)
  for (const url of urls) {
    const values: Record<string, string | Uint8Array> = { id, timestamp, url, method, body, fields }
    // Split by its placeholders, a template has their names at the odd places.
    yield concat(parts.map((part, at) => (at % 2 === 0 ? part : (values[part] ?? ''))))
  }
}

function concat(parts: readonly (string | Uint8Array)[]): Uint8Array {
  const pieces = parts.map((part) => (typeof part === 'string' ? bytesOfText(part) : part))
  const [only] = pieces.filter((piece) => piece.byteLength > 0)
  const length = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
  if (only?.byteLength === length) return only
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

/**
 * The fields of a form as Twilio signs them: sorted, each name followed by its value, of equal ones one.
 * What is no form is signed by its digest in the URL, and this is empty then. Null for a body that neither covers.
 */
async function signedFields(delivery: Delivery, content: () => Content): Promise<string | null> {
  const digest = digestIn(delivery.url)
  if (digest) {
    const actual = await crypto.subtle.digest('SHA-256', delivery.body)
    return hexOf(new Uint8Array(actual)) === digest.toLowerCase() ? '' : null
  }
  const { fields } = content()
  if (!fields) return delivery.body.byteLength === 0 ? '' : null
  const values = new Map<string, Set<string>>()
  for (const [name, value] of fields) values.set(name, (values.get(name) ?? new Set()).add(value))
  return [...values.keys()]
    .sort()
    .map((name) =>
      [...(values.get(name) ?? [])]
        .sort()
        .map((value) => name + value)
        .join(''),
    )
    .join('')
}

/** Twilio's digest of a body that is no form, in the query; null where there is none. */
function digestIn(url: string): string | null {
  return URL.parse(url)?.searchParams.get('bodySHA256') ?? null
}

/** A few ways to write the URL, without repeats; the likeliest first. */
export function urlsOf(requested: string, configured: string | null): string[] {
  const query = requested.indexOf('?')
  const urls = [configured ?? requested]
  // Twilio adds a digest to what it was given.
  if (configured !== null && query !== -1)
    urls.push(configured.replace(/\?.*$/s, '') + requested.slice(query))
  return [
    ...new Set(
      urls
        .flatMap((url) => [url, withOtherPort(url)])
        .flatMap((url) => [
          url,
          url.replaceAll('%27', "'"),
          url.replaceAll(DECODED, decodeURIComponent),
        ]),
    ),
  ]
}

/** What HubSpot signs as it was before it was encoded. */
const DECODED = /%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi

/** Without its port, or where it has none with the one that it stands for. */
function withOtherPort(url: string): string {
  const [, scheme = '', host = '', port, rest = ''] =
    /^(https?):\/\/([^/?#]*?)(:\d+)?([/?#].*)?$/is.exec(url) ?? []
  if (scheme === '') return url
  const standard = scheme.toLowerCase() === 'https' ? ':443' : ':80'
  return `${scheme}://${host}${port === undefined ? standard : ''}${rest}`
}
