import { isObject } from './json'
import { COMMERCE } from './senders/commerce'
import { GENERIC, type GenericType, STANDARD_WEBHOOKS } from './senders/generic'
import { WORK } from './senders/work'
import {
  decodeSecrets,
  type GivenSecrets,
  readSecrets,
  readSecretVariable,
  type Secret,
} from './source-secrets'
import type { Scheme, SourceType } from './source-types'
import { didYouMean } from './suggestion'

/** Reads the sources from the configuration, and says in words what is wrong. No I/O; no secret is ever quoted. */

/** The senders that are known by name. */
export const SENDERS = { ...WORK, ...COMMERCE, 'standard-webhooks': STANDARD_WEBHOOKS } as const

export type SourceTypeName = keyof typeof SENDERS | keyof typeof GENERIC
export const SOURCE_TYPES = [...Object.keys(SENDERS), ...Object.keys(GENERIC)] as SourceTypeName[]

/** A URL for one sender, and how its deliveries are proven. */
export interface Source {
  name: string
  type: SourceTypeName
  row: SourceType
  /** All are valid at once, so that one can be rotated; none for `unverified`. */
  secrets: readonly Secret[]
  /** What Meta says when the URL is entered there. */
  verifyToken: Secret | null
  /** What the sender signs as its URL; null for that of the request. */
  url: string | null
}

export interface Sources {
  /** By name, in the order of SOURCES. Null is one that is wrong, and stops nothing else. */
  named: ReadonlyMap<string, Source | null>
  /** SOURCES is wrong as a whole, so that nobody knows which there are. */
  unreadable: boolean
  /** A sentence each. */
  mistakes: readonly string[]
  /** What works, but is perhaps not meant: a sentence each. */
  warnings: readonly string[]
}

type Variables = Readonly<Record<string, unknown>>
type Given = Readonly<Record<string, unknown>>

export const SOURCE_NAME = /^[a-z0-9-]{1,64}$/
const MEMBERS = ['name', 'type', 'url']
const SECRET_VARIABLE = 'SOURCE_SECRET_'

/** The source of that name; null for one that is wrong (503), undefined for one that is not known (404). */
export function sourceNamed(sources: Sources, name: string): Source | null | undefined {
  return sources.unreadable ? null : sources.named.get(name)
}

/** The variable with the secrets of one source. @example secretVariable('our-shop') // 'SOURCE_SECRET_OUR_SHOP' */
export function secretVariable(name: string): string {
  return SECRET_VARIABLE + name.toUpperCase().replaceAll('-', '_')
}

/** The sources in `SOURCES`, with their secrets of `SOURCE_SECRETS` and `SOURCE_SECRET_<NAME>`. */
export function readSources(env: Variables): Sources {
  const mistakes: string[] = []
  const warnings: string[] = []
  const named = new Map<string, Source | null>()
  let entries: unknown[]
  try {
    entries = list(env.SOURCES)
  } catch {
    mistakes.push('SOURCES is not a JSON array such as [{"name": "github", "type": "github"}]')
    return { named, unreadable: true, mistakes, warnings }
  }
  const secrets = sharedSecrets(env, mistakes)
  for (const [index, entry] of entries.entries()) {
    const given = isObject(entry) ? entry : {}
    const { name } = given
    if (typeof name !== 'string' || !SOURCE_NAME.test(name)) {
      mistakes.push(`SOURCES: entry ${index} has no name of 1 to 64 characters of a-z 0-9 -`)
    } else if (named.has(name)) {
      named.set(name, null)
      mistakes.push(`SOURCES: "${name}" is the name of several`)
    } else {
      named.set(name, readSource(name, given, env, secrets, mistakes, warnings))
    }
  }
  warnings.push(...orphans(env, secrets, [...named.keys()]))
  return { named, unreadable: false, mistakes, warnings }
}

function list(given: unknown): unknown[] {
  if (given === undefined || given === '') return []
  const parsed: unknown = typeof given === 'string' ? JSON.parse(given) : given
  if (!Array.isArray(parsed)) throw new Error('is not an array')
  return parsed
}

/** SOURCE_SECRETS by name; null where it is malformed, which only those with a variable of their own survive. */
function sharedSecrets(env: Variables, mistakes: string[]): Given | null {
  const given = env.SOURCE_SECRETS
  if (given === undefined || given === '') return {}
  try {
    const parsed: unknown = typeof given === 'string' ? JSON.parse(given) : given
    if (isObject(parsed)) return parsed
  } catch {
    // The parser's message would quote a secret.
  }
  mistakes.push('SOURCE_SECRETS is not a JSON object such as {"github": ["new", "old"]}')
  return null
}

function readSource(
  name: string,
  given: Given,
  env: Variables,
  shared: Given | null,
  mistakes: string[],
  warnings: string[],
): Source | null {
  try {
    const type = typeName(given.type)
    const row = rowOf(type, given)
    const url = urlOf(given.url)
    if (type === 'unverified') {
      warnings.push(`SOURCES: "${name}" is unverified: whoever knows its URL can post there`)
      return { name, type, row, secrets: [], verifyToken: null, url }
    }
    const { secrets, verifyToken } = secretsOf(name, env, shared)
    if ((row.handshake === 'meta') !== (verifyToken !== null))
      throw new Error(
        row.handshake === 'meta'
          ? 'needs {"secrets": […], "verify_token": "…"}'
          : 'has a verify_token, which is for meta alone',
      )
    return {
      name,
      type,
      row,
      secrets: decodeSecrets(row.schemes, secrets),
      verifyToken:
        verifyToken === null ? null : (decodeSecrets(VERIFY_TOKEN, [verifyToken])[0] ?? null),
      url,
    }
  } catch (error) {
    mistakes.push(`SOURCES: "${name}" ${error instanceof Error ? error.message : 'is wrong'}`)
    return null
  }
}

const VERIFY_TOKEN: readonly Scheme[] = [{ kind: 'token', header: '', prefix: '', secret: 'text' }]

/** Those of the source's own variable, then those of SOURCE_SECRETS. @throws Error when there are none */
function secretsOf(name: string, env: Variables, shared: Given | null): GivenSecrets {
  const variable = secretVariable(name)
  const given: GivenSecrets[] = []
  if (env[variable] !== undefined)
    given.push(said(variable, () => readSecretVariable(env[variable])))
  if (shared && Object.hasOwn(shared, name))
    given.push(said('SOURCE_SECRETS', () => readSecrets(shared[name])))
  const secrets = given.flatMap((each) => each.secrets)
  if (secrets.length === 0)
    throw new Error(`has no secret: neither SOURCE_SECRETS nor ${variable} has one for it`)
  return {
    secrets,
    verifyToken: given.find((each) => each.verifyToken !== null)?.verifyToken ?? null,
  }
}

/** Puts the variable's name in front of what is wrong with it. */
function said<T>(variable: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`has secrets that cannot be read: ${variable} ${(error as Error).message}`)
  }
}

function typeName(given: unknown): SourceTypeName {
  const known = SOURCE_TYPES.find((each) => each === given)
  if (known) return known
  if (given === undefined) throw new Error('has no type')
  const advice = didYouMean(String(given), SOURCE_TYPES) ?? `known are ${SOURCE_TYPES.join(', ')}`
  throw new Error(`has a type that is not known; ${advice}`)
}

/** The row of the type, as the source's members alter it. @throws Error for members that are unknown or wrong */
export function rowOf(type: SourceTypeName, given: Given): SourceType {
  const generic: Record<string, GenericType> = GENERIC
  const known: Record<string, SourceType> = SENDERS
  const isTimed = known[type]?.schemes.some(hasTimestamp) ?? false
  const options = [...MEMBERS, ...(generic[type]?.options ?? (isTimed ? ['tolerance'] : []))]
  for (const member of Object.keys(given)) {
    if (options.includes(member)) continue
    const advice = didYouMean(member, options) ?? `it can have ${options.join(', ')}`
    const quoted = JSON.stringify(member.slice(0, 64).toWellFormed())
    throw new Error(`has a member that its type does not have, ${quoted}; ${advice}`)
  }
  const row = generic[type]?.row(given) ?? known[type]
  if (!row) throw new Error('has a type that is not known')
  if (given.tolerance === undefined) return row
  const { tolerance } = given
  if (typeof tolerance !== 'number' || !(tolerance >= 1 && tolerance <= MAX_TOLERANCE))
    throw new Error(`has a tolerance that is no number of seconds from 1 to ${MAX_TOLERANCE}`)
  return { ...row, schemes: row.schemes.map((scheme) => withTolerance(scheme, tolerance)) }
}

/** A week: no sender tries for longer. */
const MAX_TOLERANCE = 604_800

function hasTimestamp(scheme: Scheme): boolean {
  return scheme.kind === 'signature' && scheme.timestamp !== undefined
}

function withTolerance(scheme: Scheme, tolerance: number): Scheme {
  return scheme.kind === 'signature' && scheme.timestamp
    ? { ...scheme, timestamp: { ...scheme.timestamp, tolerance } }
    : scheme
}

function urlOf(given: unknown): string | null {
  if (given === undefined) return null
  if (typeof given === 'string' && /^https?:\/\/[^/\s]/.test(given) && URL.canParse(given))
    return given
  throw new Error('has a url that is none such as https://inbox.example/in/square')
}

/** Secrets without a source: mostly a misspelt name. A name there might be a secret by mistake, and is not quoted. */
function orphans(env: Variables, shared: Given | null, names: string[]): string[] {
  const found: string[] = []
  const variables = names.map(secretVariable)
  for (const variable of Object.keys(env))
    if (variable.startsWith(SECRET_VARIABLE) && !variables.includes(variable))
      found.push(`${variable} is the secret of no source`)
  for (const name of Object.keys(shared ?? {})) {
    if (names.includes(name)) continue
    const advice = names.length > 0 && didYouMean(name, names)
    found.push(`SOURCE_SECRETS has a name that no source has${advice ? `; ${advice}` : ''}`)
  }
  return found
}
