import { decodeBytes } from '../../../shared/encoding'
import type { Secret } from '../../../shared/source-secrets'
import type { Scheme, SignatureScheme, Timestamp } from '../../../shared/source-types'
import type { Source } from '../../../shared/sources'
import { isTimestamp } from '../../http/time'
import { type Content, readContent } from './content'
import { type Delivery, firstHeader } from './delivery'
import { identityOf } from './identity'
import { isSecret, isSigned, keyOf } from './keys'
import { type Looked, valueAt } from './places'
import { partsOf, signaturesIn } from './signatures'
import { messagesOf } from './signed'

/** Whether a delivery is its sender's. One verifier for all of them: what differs stands in the table. */

/** Why a delivery was refused, for the log. Of several the one that comes last here is told, as it came furthest. */
export const REASONS = [
  'missing_signature',
  'missing_token',
  'missing_id',
  'missing_timestamp',
  'malformed_signature',
  'malformed_timestamp',
  /** The body is in a form that the sender never signs. */
  'unsigned_body',
  'wrong_token',
  'wrong_signature',
  'too_old',
  'too_new',
  /** The configuration is wrong, not the delivery: the secret decodes, but is no key. */
  'unusable_secret',
] as const
export type Reason = (typeof REASONS)[number]

export interface Accepted {
  accepted: true
  /** What it was proven with; null for `unverified`. */
  secret: Secret | null
  content: Content
  /** As the sender names them. */
  id: string | null
  type: string | null
  /** What makes it the same event when it comes again: becomes the event_id. */
  identity: string[] | null
}

export type Verdict = Accepted | { accepted: false; reason: Reason }

type Proof = { secret: Secret | null } | Reason

/**
 * Tells whether the delivery is its sender's, and which event it is. Whatever is malformed is refused; nothing throws.
 * @param now milliseconds since 1970
 */
export async function verify(source: Source, delivery: Delivery, now: number): Promise<Verdict> {
  let read: Content | undefined
  const content = () => (read ??= readContent(delivery.body, delivery.headers))
  let reason: Reason = 'missing_signature'
  for (const scheme of source.row.schemes) {
    const secrets = source.secrets.filter((secret) => secret.scheme === scheme)
    if (secrets.length === 0 && scheme.kind !== 'unverified') continue
    const proof = await prove(scheme, secrets, source, delivery, content, now)
    if (typeof proof === 'string') {
      if (REASONS.indexOf(proof) > REASONS.indexOf(reason)) reason = proof
      continue
    }
    const looked: Looked = { delivery, content, parts: [] }
    const signedId = scheme.kind === 'signature' ? scheme.id : undefined
    const ids = [...(signedId ?? []), ...source.row.ids]
    return {
      accepted: true,
      secret: proof.secret,
      content: content(),
      ...(await identityOf(source, ids, looked)),
      type: valueAt(source.row.types, looked),
    }
  }
  return { accepted: false, reason }
}

async function prove(
  scheme: Scheme,
  secrets: readonly Secret[],
  source: Source,
  delivery: Delivery,
  content: () => Content,
  now: number,
): Promise<Proof> {
  switch (scheme.kind) {
    case 'signature':
      return proveSignature(scheme, secrets, source, delivery, content, now)
    case 'token':
      return proveToken(secrets, tokenIn(delivery.headers.get(scheme.header), scheme.prefix))
    case 'basic':
      return proveToken(secrets, credentialsIn(delivery.headers.get('Authorization')))
    case 'url-token':
      return proveToken(secrets, tokenIn(delivery.token ?? null, ''))
    case 'unverified':
      return { secret: null }
  }
}

async function proveSignature(
  scheme: SignatureScheme,
  secrets: readonly Secret[],
  source: Source,
  delivery: Delivery,
  content: () => Content,
  now: number,
): Promise<Proof> {
  const header = firstHeader(delivery.headers, scheme.headers)
  if (header === null) return 'missing_signature'
  const parts = partsOf(scheme, header)
  const signatures = signaturesIn(scheme, parts)
  if (signatures.length === 0) return 'malformed_signature'
  const looked: Looked = { delivery, content, parts }
  const id = scheme.id ? valueAt(scheme.id, looked) : ''
  if (id === null) return 'missing_id'
  const isTimeSigned = scheme.signed.includes('{timestamp}')
  const timestamp = isTimeSigned ? timestampIn(scheme.timestamp, looked) : ''
  if (timestamp === null) return 'missing_timestamp'
  const filling = { id, timestamp, url: source.url }
  const messages = await messagesOf(scheme.signed, filling, delivery, content)
  if (!messages) return 'unsigned_body'
  let reason: Reason = 'unusable_secret'
  for (const message of messages) {
    for (const secret of secrets) {
      const key = await keyOf(secret, scheme.algorithm)
      if (!key) continue
      reason = 'wrong_signature'
      if (!(await isSigned(key, scheme.algorithm, signatures, message))) continue
      // Where the time stands in the body, that is read only once it is known whose it is.
      const time = isTimeSigned ? timestamp : timestampIn(scheme.timestamp, looked)
      return untimely(scheme.timestamp, time, now) ?? { secret }
    }
  }
  return reason
}

function timestampIn(timestamp: Timestamp | undefined, looked: Looked): string | null {
  return timestamp ? valueAt(timestamp.places, looked) : null
}

/** Why a delivery is not of now, or null. */
function untimely(rule: Timestamp | undefined, value: string | null, now: number): Reason | null {
  if (!rule) return null
  if (value === null) return 'missing_timestamp'
  const at = timeOf(rule.unit, value)
  if (at === null) return 'malformed_timestamp'
  if (rule.tolerance === null) return null
  const tolerance = rule.tolerance * 1_000
  if (now - at > tolerance) return 'too_old'
  return at - now > tolerance ? 'too_new' : null
}

/** Later than this, in seconds, is the year 5138: milliseconds are meant. */
const LAST_SECOND = 99_999_999_999

/** Milliseconds since 1970, or null. */
function timeOf(unit: Timestamp['unit'], value: string): number | null {
  // As many digits as a time of now has: some senders sign it right before the body, which others might begin anew.
  if (unit === 's') return /^\d{10}$/.test(value) ? Number(value) * 1_000 : null
  if (unit === 'ms') return /^\d{13}$/.test(value) ? Number(value) : null
  if (!/^\d{1,15}$/.test(value)) return isTimestamp(value) ? Date.parse(value) : null
  return Number(value) > LAST_SECOND ? Number(value) : Number(value) * 1_000
}

async function proveToken(
  secrets: readonly Secret[],
  presented: Uint8Array | Reason,
): Promise<Proof> {
  if (typeof presented === 'string') return presented
  let found: Secret | null = null
  for (const secret of secrets) if (await isSecret(secret, presented)) found = secret
  return found ? { secret: found } : 'wrong_token'
}

const encoder = new TextEncoder()

function tokenIn(value: string | null, prefix: string): Uint8Array | Reason {
  if (!value) return 'missing_token'
  return value.startsWith(prefix) ? encoder.encode(value.slice(prefix.length)) : 'wrong_token'
}

/** The `user:password` of an Authorization header (RFC 7617 §2). */
function credentialsIn(header: string | null): Uint8Array | Reason {
  const encoded = /^Basic +([^ ]+) *$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return 'missing_token'
  return decodeBytes('base64', encoded) ?? 'wrong_token'
}
