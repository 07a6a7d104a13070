import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'

/** This module recognises a request that is sent again. */

const encoder = new TextEncoder()

/** Reads the Idempotency-Key, bare or as a quoted string (RFC 8941 §3.3.3). @throws HttpError 400 */
export function idempotencyKey(headers: Headers): string | null {
  const given = headers.get('Idempotency-Key')?.trim()
  if (given === undefined) return null
  const key = /^"(?:[^"\\]|\\["\\])*"$/.test(given)
    ? given.slice(1, -1).replaceAll(/\\(["\\])/g, '$1')
    : given
  if (/^[\x20-\x7e]+$/.test(key) && key.length <= LIMITS.IDEMPOTENCY_KEY_LENGTH) return key
  throw new HttpError(
    400,
    'INVALID_IDEMPOTENCY_KEY',
    `Idempotency-Key must have 1 to ${LIMITS.IDEMPOTENCY_KEY_LENGTH} visible ASCII characters.`,
  )
}

/** Makes the SHA-256 of the parts, as base64url. Other parts have another digest, however they are cut. */
export async function digestOf(...parts: string[]): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(JSON.stringify(parts)))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace('=', '')
}
