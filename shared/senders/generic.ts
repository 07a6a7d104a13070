import type { Encoding } from '../encoding'
import type { Algorithm, Place, Scheme, SecretForm, SourceType } from '../source-types'
import { FIVE_MINUTES, STANDARD } from './schemes'

/** Types for every other sender: rows that are made of the members of their source in the configuration. */

type Given = Readonly<Record<string, unknown>>

/** A type whose row depends on the configuration. `options` are the members it may have there. */
export interface GenericType {
  options: readonly string[]
  /** @throws Error whose message says which member is wrong */
  row(given: Given): SourceType
}

/** They say which event it is only where the configuration says where; without that each delivery is one. */
const NAMES = ['id', 'event_type']

// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
export const STANDARD_WEBHOOKS = {
  label: 'Standard Webhooks',
  schemes: [STANDARD, { ...STANDARD, algorithm: 'Ed25519', prefix: 'v1a,', secret: 'whpk_' }],
  ids: STANDARD.id,
  types: ['/type'],
  ack: 'json',
  retries: true,
  secretBy: 'sender',
  secretAt:
    "Copy the endpoint's signing secret (whsec_…), or its public key (whpk_…), from the sender.",
} as const satisfies SourceType

export const GENERIC = {
  hmac: {
    options: [
      ...NAMES,
      'header',
      'algorithm',
      'encoding',
      'prefix',
      'separator',
      'signed',
      'secret_encoding',
      'timestamp',
      'tolerance',
    ],
    row: (given) => generic('HMAC', hmacScheme(given), given, 'as the key of its signatures'),
  },
  token: {
    options: [...NAMES, 'header', 'prefix'],
    row(given) {
      const header = headerName(given)
      const prefix = text(given, 'prefix', '')
      const scheme: Scheme = { kind: 'token', header, prefix, secret: 'text' }
      return generic('Token', scheme, given, `as the value of the header ${header}`)
    },
  },
  basic: {
    options: NAMES,
    row: (given) =>
      generic('Basic', { kind: 'basic', secret: 'user:password' }, given, 'as user and password'),
  },
  'url-token': {
    options: NAMES,
    row: (given) =>
      generic('URL', { kind: 'url-token', secret: 'url-token' }, given, 'as the end of the URL'),
  },
  unverified: {
    options: NAMES,
    row: (given) => ({
      ...generic('Unverified', { kind: 'unverified' }, given, ''),
      secretAt: 'There is none: whoever knows the URL can post here.',
    }),
  },
} as const satisfies Record<string, GenericType>

function generic(label: string, scheme: Scheme, given: Given, where: string): SourceType {
  const secret = credentialOf(scheme)
  for (const name of NAMES)
    if (secret !== null && place(given, name, true)[0] === `header:${secret}`)
      throw new Error(`${name} is the header with the secret, which must not be stored`)
  return {
    label,
    schemes: [scheme],
    ids: place(given, 'id', true),
    types: place(given, 'event_type'),
    ack: 'json',
    retries: null,
    secretBy: 'receiver',
    secretAt: `Enter it at the sender ${where}.`,
  }
}

/** The header that proves a delivery, in lower case; null where none does. */
function credentialOf(scheme: Scheme): string | null {
  if (scheme.kind === 'signature') return scheme.headers[0] ?? null
  if (scheme.kind === 'token') return scheme.header
  return scheme.kind === 'basic' ? 'authorization' : null
}

const ALGORITHMS: Record<string, Algorithm> = {
  sha1: 'HMAC-SHA-1',
  sha256: 'HMAC-SHA-256',
  sha384: 'HMAC-SHA-384',
  sha512: 'HMAC-SHA-512',
}
const ENCODINGS: Record<string, Encoding> = { hex: 'hex', base64: 'base64', base64url: 'base64url' }
const SECRET_FORMS: Record<string, SecretForm> = { utf8: 'text', base64: 'base64', hex: 'hex' }
const PLACEHOLDERS = ['id', 'timestamp', 'body', 'url', 'method']

function hmacScheme(given: Given): Scheme {
  const signed = text(given, 'signed', '{body}')
  const filled = [...signed.matchAll(/\{(\w*)\}/g)].map(([, name = '']) => name)
  const unknown = filled.find((name) => !PLACEHOLDERS.includes(name))
  if (unknown !== undefined)
    throw new Error(`signed may have {${PLACEHOLDERS.join('}, {')}}, and not {${unknown}}`)
  if (!filled.includes('body'))
    throw new Error('signed has no {body}, so that anybody could alter it')
  const id = filled.includes('id') ? place(given, 'id') : []
  const places = place(given, 'timestamp')
  if (filled.includes('id') && id.length === 0)
    throw new Error('signed has {id}, so id has to say where')
  if (filled.includes('timestamp') && places.length === 0)
    throw new Error('signed has {timestamp}, so timestamp has to say where')
  if (!filled.includes('timestamp') && places.some((each) => !each.startsWith('/')))
    throw new Error(
      'timestamp is a header that signed does not have, so that anybody could alter it',
    )
  if (given.tolerance !== undefined && places.length === 0)
    throw new Error('tolerance is for a timestamp, and there is none')
  const separator = text(given, 'separator', '')
  const tolerance = FIVE_MINUTES
  return {
    kind: 'signature',
    algorithm: choice(given, 'algorithm', ALGORITHMS, 'sha256'),
    headers: [headerName(given)],
    separator: separator === '' ? null : separator,
    prefix: text(given, 'prefix', ''),
    encoding: choice(given, 'encoding', ENCODINGS, 'hex'),
    secret: choice(given, 'secret_encoding', SECRET_FORMS, 'utf8'),
    signed,
    ...(filled.includes('id') && { id }),
    ...(places.length > 0 && { timestamp: { places, unit: 'any', tolerance } }),
  }
}

function text(given: Given, name: string, otherwise: string): string {
  const value = given[name] ?? otherwise
  if (typeof value !== 'string' || value.length > 256)
    throw new Error(`${name} is not a short text`)
  return value
}

function headerName(given: Given): string {
  const name = text(given, 'header', '')
  if (!HEADER_NAME.test(name)) throw new Error('header is not the name of a header')
  return name.toLowerCase()
}

function choice<T>(given: Given, name: string, choices: Record<string, T>, otherwise: string): T {
  const chosen = Object.entries(choices).find(([each]) => each === text(given, name, otherwise))
  if (!chosen) throw new Error(`${name} is none of ${Object.keys(choices).join(', ')}`)
  return chosen[1]
}

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,64}$/

/** Where a value stands, as a list of one; empty where the configuration does not say. */
function place(given: Given, name: string, isDigestAllowed = false): Place[] {
  const value = text(given, name, '')
  if (value === '') return []
  const header = /^header:(.*)$/s.exec(value)?.[1]
  if (header !== undefined && HEADER_NAME.test(header)) return [`header:${header.toLowerCase()}`]
  if (/^(\/([^~]|~[01])*)$/s.test(value)) return [value as Place]
  if (isDigestAllowed && value === 'body') return ['body']
  const behind = /^signature:(.+)$/s.exec(value)?.[1]
  if (name === 'timestamp' && behind !== undefined) return [`signature:${behind}`]
  const digest = isDigestAllowed ? ', or "body" for its digest' : ''
  throw new Error(`${name} is not "header:X-Name", or a JSON pointer such as "/data/id"${digest}`)
}
