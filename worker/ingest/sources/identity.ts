import { base64Of, bytesOfText } from '../../../shared/encoding'
import type { Place } from '../../../shared/source-types'
import type { Source } from '../../../shared/sources'
import { type Looked, valueAt } from './places'

/**
 * Tells which event a delivery is: the sender's id for it, or where it gives none the digest of the body.
 * Neither can be taken for the other, nor one source's for another's.
 */
export async function identityOf(
  source: Source,
  places: readonly Place[],
  looked: Looked,
): Promise<{ id: string | null; identity: string[] | null }> {
  const id = valueAt(places, looked)
  // Four parts, as no other kind of identity has: a source may be called as one of them.
  const of = (what: string, value: string) => [source.name, 'in', what, value]
  if (id !== null) return { id, identity: of('id', id) }
  if (!places.includes('body')) return { id, identity: null }
  return { id, identity: of('body', await digest(looked.delivery.body, source.row.counter)) }
}

const decoder = new TextDecoder()

/** SHA-256 of a body, without the numbers of tries in it. */
async function digest(body: Uint8Array, counter: string | undefined): Promise<string> {
  const counted = counter && new RegExp(`"${counter}":\\s*\\d+`, 'g')
  const bytes = counted ? bytesOfText(decoder.decode(body).replaceAll(counted, '')) : body
  return base64Of(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}
