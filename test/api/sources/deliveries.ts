import { createHash, createHmac, generateKeyPairSync } from 'node:crypto'
import { readSources, type Source, type SourceTypeName } from '../../../shared/sources'
import type { Delivery } from '../../../worker/ingest/sources/delivery'

/** Deliveries of every type, signed with node:crypto as the sender's documentation says. */

export const URL_SIGNED = 'https://inbox.example/in/here?shop=1'
export const NOW = Date.parse('2026-11-21T12:00:00Z')

export interface Signing {
  secret: string
  /** Milliseconds since 1970. */
  at: number
  body: string
  /** Put in front of the right signature, where a header may have several. */
  others?: number
}

export interface Case {
  type: SourceTypeName
  /** Further members of its entry in SOURCES. */
  members?: Record<string, unknown>
  /** Its own, another that is as good, and one of another source; what signs, where that is another thing. */
  secrets: [Secret, Secret, Secret]
  /** The signature's header, in lower case. */
  header: string
  body?: string
  contentType?: string
  /** Seconds of tolerance; none where the time is not looked at, or there is none. */
  tolerance?: number
  /** The header with the time; none where it is a part of another one, or of the body. */
  timeHeader?: string
  /** Whether changing the body shows. */
  covers?: boolean
  several?: boolean
  id: string | null
  eventType: string | null
  headers(signing: Signing): Record<string, string>
}

type Secret = string | { configured: string; signing: string }

const configuredAs = (secret: Secret) => (typeof secret === 'string' ? secret : secret.configured)
const signingWith = (secret: Secret) => (typeof secret === 'string' ? secret : secret.signing)

export const seconds = (at: number) => String(Math.floor(at / 1_000))

export function hmac(
  secret: string | Buffer,
  message: string,
  encoding: 'hex' | 'base64' | 'base64url' = 'hex',
  algorithm = 'sha256',
): string {
  return createHmac(algorithm, secret).update(message).digest(encoding)
}

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

export function listed(
  { others = 0 }: Signing,
  prefix: string,
  other: string,
  right: string,
): string[] {
  return [...Array<string>(others).fill(`${prefix}${other}`), `${prefix}${right}`]
}

export function ed25519(): Secret & { configured: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  return {
    configured: raw.toString('hex'),
    signing: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

export function p256(): Secret {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    configured: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    signing: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

export const whpk = () => {
  const key = ed25519() as { configured: string; signing: string }
  return {
    configured: `whpk_${Buffer.from(key.configured, 'hex').toString('base64')}`,
    signing: key.signing,
  }
}

export const TEXTS: [string, string, string] = [
  'its own secret',
  'the new secret',
  'of another source',
]
export const WHSEC = TEXTS.map(
  (text) => `whsec_${Buffer.from(text).toString('base64')}`,
) as typeof TEXTS
const keyOfWhsec = (secret: string) => Buffer.from(secret.slice(6), 'base64')

export function standard(
  names: 'webhook' | 'svix',
  key: (secret: string, message: string) => string,
) {
  return (given: Signing) => {
    const message = `msg_1.${seconds(given.at)}.${given.body}`
    const wrong = `v1,${Buffer.alloc(32).toString('base64')}`
    return {
      [`${names}-id`]: 'msg_1',
      [`${names}-timestamp`]: seconds(given.at),
      [`${names}-signature`]: [
        ...Array<string>(given.others ?? 0).fill(wrong),
        key(given.secret, message),
      ].join(' '),
    }
  }
}

export const standardHmac = (secret: string, message: string) =>
  `v1,${hmac(keyOfWhsec(secret), message, 'base64')}`

/** The fields of a form in the order that Twilio signs them in. */
export const sorted = (body: string) =>
  [...new URLSearchParams(body)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flat()
    .join('')

/** The source of a case as the configuration makes it, with some of its secrets. */
export function sourceOf(
  { type, members = {}, secrets }: Case,
  which: readonly number[] = [0],
  name = 'here',
  more: Record<string, unknown> = {},
): Source {
  const given = which.map((index) => configuredAs(secrets[index] ?? ''))
  const { named, mistakes } = readSources({
    SOURCES: [{ name, type, ...members, ...more }],
    SOURCE_SECRETS: JSON.stringify({
      [name]: type === 'meta' ? { secrets: given, verify_token: 'verify me' } : given,
    }),
  })
  const source = named.get(name)
  if (!source) throw new Error(mistakes.join())
  return source
}

/** What SOURCE_SECRETS has for a case. */
export function configuredSecrets({ type, secrets }: Case) {
  const given = { secrets: [configuredAs(secrets[0])] }
  return type === 'meta' ? { ...given, verify_token: 'verify me' } : given
}

/** A delivery of a case, signed at a time with one of its secrets. */
export function deliveryOf(
  given: Case,
  { at = NOW, secret = 0, others = 0, url = URL_SIGNED, method = 'POST' } = {},
): Delivery {
  const body = (given.body ?? '{"n":12345678901234567890}').replace('TIME', String(at))
  const signed = { secret: signingWith(given.secrets[secret] ?? ''), at, body, others }
  const headers = new Headers(given.headers(signed))
  headers.set('Content-Type', given.contentType ?? 'application/json')
  return {
    method,
    url,
    headers,
    body: new TextEncoder().encode(body),
    token: given.type === 'url-token' ? signed.secret : null,
  }
}

/** The same delivery with something else in it. */
export function altered(delivery: Delivery, change: Partial<Delivery>): Delivery {
  return { ...delivery, headers: new Headers(delivery.headers), ...change }
}

/** What signs the deliveries of a case. */
export function signingOf({ secrets }: Case): string {
  return signingWith(secrets[0])
}
