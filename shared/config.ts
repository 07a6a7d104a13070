import { HttpError } from './problem'
import { STANDARD_WEBHOOKS } from './senders/generic'
import { decodeSecrets, type Secret } from './source-secrets'
import { readSources, type Sources } from './sources'
import { readSubscriptions, type Subscriptions } from './subscriptions'
import { type KnownToken, parseTokens } from './tokens'

/** This module reads the configuration and says in words what is wrong with it. No I/O; it never quotes a secret. */

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

/** The variables and secrets as the program uses them. A null one is wrong, and requests that need it get a 503. */
export interface Configuration {
  tokens: readonly KnownToken[] | null
  /** One verifier a secret. The list is empty when there is no secret; then signatures are not checked. */
  webhooks: readonly Secret[] | null
  shardCount: number | null
  maxRetries: number | null
  retentionDays: number | null
  /** `*`, or origins as browsers send them. A wrong one is left out, so that it lets no page in. */
  origins: readonly string[]
  logLevel: Level
  sources: Sources
  /** Null when anything in them is wrong: then no event is accepted. */
  subscriptions: Subscriptions | null
  /** One sentence for each thing that is wrong. */
  mistakes: readonly string[]
  /** What works, but may not be meant: a sentence each. */
  warnings: readonly string[]
}

type Name =
  | 'API_TOKENS'
  | 'WEBHOOK_SECRET'
  | 'SHARD_COUNT'
  | 'MAX_RETRIES'
  | 'RETENTION_DAYS'
  | 'ALLOWED_ORIGINS'
  | 'LOG_LEVEL'

/** The variables as the platform gives them. Each is text, or what `wrangler.jsonc` has: a number, or a list. */
export type Variables = Partial<Record<Name | 'SOURCES' | 'SUBSCRIPTIONS', unknown>>

const read = new WeakMap<Variables, Configuration>()

/** Returns the configuration in `env`, which is parsed only once. */
export function configurationOf(env: Variables): Configuration {
  const known = read.get(env)
  if (known) return known
  const configuration = readConfiguration(env)
  read.set(env, configuration)
  return configuration
}

/** Returns the value of a variable that a request needs. @throws HttpError 503 when it is wrong */
export function needed<T>(value: T | null): T {
  if (value === null) throw notConfigured()
  return value
}

/** Makes the 503 for a mistake that only the operator can correct. The log says what it is. */
export function notConfigured(members: Record<string, unknown> = {}): HttpError {
  const detail = 'The service is not configured correctly. Its log says why.'
  return new HttpError(503, 'NOT_CONFIGURED', detail, { members })
}

export function readConfiguration(env: Variables): Configuration {
  const mistakes: string[] = []
  const value = <T>(name: Name, parse: (given: string | undefined) => T): T | null => {
    const given = env[name]
    try {
      return parse(typeof given === 'number' ? String(given) : asText(given))
    } catch (error) {
      mistakes.push(`${name} ${error instanceof Error ? error.message : 'is wrong'}`)
      return null
    }
  }
  const sources = readSources(env)
  const { subscriptions, mistakes: misrouted } = readSubscriptions(env)
  mistakes.push(...sources.mistakes, ...misrouted)
  return {
    tokens: value('API_TOKENS', parseTokens),
    webhooks: value('WEBHOOK_SECRET', parseSecrets),
    shardCount: value('SHARD_COUNT', wholeNumber(2, 256)),
    maxRetries: value('MAX_RETRIES', wholeNumber(3, 1_000)),
    retentionDays: value('RETENTION_DAYS', days),
    origins: originsOf(env.ALLOWED_ORIGINS, mistakes),
    logLevel: value('LOG_LEVEL', logLevel) ?? 'info',
    sources,
    subscriptions,
    mistakes,
    warnings: sources.warnings,
  }
}

function asText(given: unknown): string | undefined {
  if (given === undefined || typeof given === 'string') return given
  throw new Error('is not text')
}

/** Makes a parser of a whole number from 1 to `most`. It is `otherwise` when the variable is not set. */
function wholeNumber(otherwise: number, most: number) {
  return (given = String(otherwise)) => {
    const number = /^\d{1,4}$/.test(given) ? Number(given) : 0
    if (number < 1 || number > most) throw new Error(`is not a whole number from 1 to ${most}`)
    return number
  }
}

function days(given = '30'): number {
  if (!/^\d{1,5}(\.\d+)?$/.test(given))
    throw new Error('is not a number of days; nothing is pruned')
  return Number(given)
}

function logLevel(given = 'info'): Level {
  const level = LEVELS.find((each) => each === given)
  if (!level) throw new Error(`is none of ${LEVELS.join(', ')}; it is info for now`)
  return level
}

/** Parses the webhook secrets, separated by blanks. All are valid at once, so that one can be rotated. */
function parseSecrets(given: string | undefined): Secret[] {
  if (given === undefined) return []
  try {
    const secrets = given.split(/\s+/).filter(Boolean)
    if (secrets.length > 0) return decodeSecrets(STANDARD_WEBHOOKS.schemes, secrets)
  } catch {
    // The library's message might quote the secret.
  }
  throw new Error(
    'is not one or more secrets separated by blanks, each in base64 with or without "whsec_", or "whpk_…"',
  )
}

function originsOf(given: unknown, mistakes: string[]): string[] {
  const origins = String(given ?? '*')
    .split(',')
    .map((each) => each.trim().replace(/\/$/, ''))
    .filter(Boolean)
  const isOrigin = (each: string) => /^(\*|null|[a-z][a-z0-9+.-]*:\/\/[^/\s*]+)$/.test(each)
  const wrong = origins.filter((each) => !isOrigin(each))
  if (wrong.length > 0) {
    const named = wrong.slice(0, 5).map((each) => JSON.stringify(each.slice(0, 64)))
    mistakes.push(
      `ALLOWED_ORIGINS has ${named.join(' and ')}, which is no origin such as https://shop.example`,
    )
  }
  return origins.filter(isOrigin)
}
