import { type EventBody, INBOX } from './event'
import { Candidate, type Filter, type GivenFilter, readFilter } from './filter'
import { isObject } from './json'
import { didYouMean } from './suggestion'

/** Reads the subscriptions from the configuration, and says which of them take an event. No I/O. */

/** Consumers that get events of their own: those that its filter matches. */
export interface Subscription {
  name: string
  /** Null: it takes every event; `inbox` then takes what no other subscription does. */
  filter: Filter | null
  /** An event fails for it after so many nacks, 1 to 1,000; null: after MAX_RETRIES. */
  maxAttempts: number | null
  /** Seconds to wait after each nack, 0 to a week; the last is for all later ones. Null: see retryWaitMs. */
  retrySeconds: readonly number[] | null
  /** The filter as it is configured. */
  given: GivenFilter | null
}

export interface Subscriptions {
  /** By name, in the order of SUBSCRIPTIONS. */
  named: ReadonlyMap<string, Subscription>
}

type Given = Readonly<Record<string, unknown>>
type Complain = (what: string) => void

/** The name of a subscription. */
export const SUBSCRIPTION_NAME = /^[a-z0-9-]{1,64}$/
const MEMBERS = ['name', 'filter', 'max_attempts', 'retry_seconds']
/** Each costs a look at every event. */
const MAX_SUBSCRIPTIONS = 100
const MAX_ATTEMPTS = 1_000
const MAX_WAITS = 100
/** A week. */
const MAX_WAIT_SECONDS = 604_800

/**
 * Reads `SUBSCRIPTIONS`: a JSON array, or its text.
 * @returns null in place of the subscriptions when anything is wrong: an event that is routed wrongly stays so
 */
export function readSubscriptions(env: Given): {
  subscriptions: Subscriptions | null
  mistakes: string[]
} {
  const mistakes: string[] = []
  const named = new Map<string, Subscription>()
  const complain = (what: string) => mistakes.push(`SUBSCRIPTIONS${what}`)
  const entries = list(env.SUBSCRIPTIONS)
  if (!entries) complain(' is not a JSON array such as [{"name": "billing"}]')
  else if (entries.length > MAX_SUBSCRIPTIONS)
    complain(` has ${entries.length} entries; at most ${MAX_SUBSCRIPTIONS} are allowed`)
  else
    for (const [index, entry] of entries.entries()) {
      const given = isObject(entry) ? entry : {}
      const { name } = given
      if (typeof name !== 'string' || !SUBSCRIPTION_NAME.test(name))
        complain(`: entry ${index} has no name of 1 to 64 characters of a-z 0-9 -`)
      else if (named.has(name)) complain(`: "${name}" is the name of several`)
      else
        named.set(
          name,
          readSubscription(name, given, (what) => complain(`: "${name}" ${what}`)),
        )
    }
  return { subscriptions: mistakes.length > 0 ? null : { named }, mistakes }
}

/** The entries, or null when it is not a list. */
function list(given: unknown): unknown[] | null {
  if (given === undefined || given === '') return []
  try {
    const parsed: unknown = typeof given === 'string' ? JSON.parse(given) : given
    return Array.isArray(parsed) ? parsed : null
  } catch {
    return null
  }
}

function readSubscription(name: string, given: Given, complain: Complain): Subscription {
  for (const member of Object.keys(given)) {
    if (MEMBERS.includes(member)) continue
    const advice = didYouMean(member, MEMBERS) ?? `it can have ${MEMBERS.join(', ')}`
    const quoted = JSON.stringify(member.slice(0, 64).toWellFormed())
    complain(`has a member that is not known, ${quoted}; ${advice}`)
  }
  const { filter, max_attempts, retry_seconds } = given
  const read =
    filter === undefined ? null : readFilter(filter, (w) => complain(`has a filter ${w}`))
  return {
    name,
    filter: read,
    maxAttempts: readMaxAttempts(max_attempts, complain),
    retrySeconds: readRetrySeconds(retry_seconds, complain),
    given: read && (filter as GivenFilter),
  }
}

function readMaxAttempts(given: unknown, complain: Complain): number | null {
  if (given === undefined) return null
  if (Number.isInteger(given) && isWithin(given, 1, MAX_ATTEMPTS)) return given
  complain(`has a max_attempts that is no whole number from 1 to ${MAX_ATTEMPTS}`)
  return null
}

function readRetrySeconds(given: unknown, complain: Complain): readonly number[] | null {
  if (given === undefined) return null
  const isWait = (each: unknown) => isWithin(each, 0, MAX_WAIT_SECONDS)
  const isList = Array.isArray(given) && isWithin(given.length, 1, MAX_WAITS)
  if (isList && given.every(isWait)) return given
  const numbers = `1 to ${MAX_WAITS} numbers from 0 to ${MAX_WAIT_SECONDS}`
  complain(`has retry_seconds that are no list of ${numbers}`)
  return null
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && value >= least && value <= most
}

/**
 * Says which subscriptions take an event, in the order of the configuration.
 * @returns undefined when `inbox` alone does. That costs nothing unless a filter names a member of the event.
 */
export function subscriptionsOf({ named }: Subscriptions, body: EventBody): string[] | undefined {
  if (named.size === Number(named.has(INBOX))) return undefined
  const candidate = new Candidate(body)
  const takers: string[] = []
  for (const { name, filter } of named.values()) {
    const takesAll = filter === null && name !== INBOX
    if (takesAll || (filter && candidate.matches(filter))) takers.push(name)
  }
  return takers.some((name) => name !== INBOX) ? takers : undefined
}

const FIRST_WAIT_MS = 5_000
const LONGEST_WAIT_MS = 3_600_000

/**
 * Says how long an event waits after a nack, in milliseconds.
 * Unless the subscription says otherwise, that is 5 s at first and twice as much each time, up to an hour. Half of it
 * is left to chance, so that what failed together does not come back together.
 * @param nacks the number of this nack, from 1
 * @param random gives a number from 0 up to 1
 */
export function retryWaitMs(
  subscription: Subscription | undefined,
  nacks: number,
  random: () => number = Math.random,
): number {
  const nth = Math.max(1, nacks)
  const waits = subscription?.retrySeconds
  if (waits) return Math.round(1_000 * (waits[Math.min(nth, waits.length) - 1] ?? 0))
  const longest = Math.min(FIRST_WAIT_MS * 2 ** (nth - 1), LONGEST_WAIT_MS)
  return Math.round(Math.max(FIRST_WAIT_MS, longest * (0.5 + random() / 2)))
}
