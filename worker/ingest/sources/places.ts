import type { Place } from '../../../shared/source-types'
import { elementSources, memberSources } from '../../http/json-text'
import type { Content } from './content'
import { type Delivery, firstHeader } from './delivery'

/** Looks up what a row says of where a value stands. No I/O. */

export interface Looked {
  delivery: Delivery
  content: () => Content
  /** The parts of the signature's header. */
  parts: readonly string[]
}

/** The value at the first of the places that has one; null when none has. `body` is not looked up here. */
export function valueAt(places: readonly Place[], looked: Looked): string | null {
  for (const place of places) {
    const value = valueOf(place, looked)
    if (value) return value
  }
  return null
}

function valueOf(place: Place, { delivery, content, parts }: Looked): string | null {
  if (place.startsWith('header:')) return firstHeader(delivery.headers, [place.slice(7)])
  if (place.startsWith('signature:')) {
    const prefix = place.slice(10)
    return parts.find((part) => part.startsWith(prefix))?.slice(prefix.length) ?? null
  }
  return place.startsWith('/') ? pointed(content(), place) : null
}

/** The text or number at a JSON pointer (RFC 6901); null for anything else. */
function pointed({ value, source }: Content, pointer: string): string | null {
  const path = pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  let found = value
  for (const name of path) {
    // Never what the text does not have, such as a `constructor` or the `length` of an array.
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return null
    if (Array.isArray(found) && !/^\d+$/.test(name)) return null
    found = (found as Record<string, unknown>)[name]
  }
  if (typeof found === 'string') return found
  if (typeof found !== 'number') return null
  // Two large numbers may be one number once they are parsed, and two events are not one.
  return Number.isSafeInteger(found) ? String(found) : exactNumber(source, path)
}

/** A number as it stands in the text. */
function exactNumber(source: string | null, path: readonly string[]): string | null {
  let text = source
  for (const name of path) {
    if (text === null) return null
    const elements = elementSources(text, Number(name) || 0)
    text = (elements ? elements[Number(name)] : memberSources(text).get(name)) ?? null
  }
  return text
}
