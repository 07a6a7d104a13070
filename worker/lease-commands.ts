import type { ClaimRequest, Settlement } from '../shared/claim'
import { cutReason } from '../shared/dead-letter'
import { EVENT_ID_RULE, INBOX, isEventId } from '../shared/event'
import { LIMITS } from '../shared/limits'
import { isObject } from '../shared/json'
import { SUBSCRIPTION_NAME } from '../shared/subscriptions'
import { membersOf, readMembers } from './http/members'

/** This module parses what consumers send. No I/O. */

/** What the reason is of a nack that gives none. */
const NO_REASON = 'The consumer gave no reason.'

export const NAME_RULE = 'must be the name of a subscription: 1 to 64 characters of a-z 0-9 -'

/** What a claim asks for. Times are milliseconds. */
export type Wish = Omit<ClaimRequest, 'lease' | 'by' | 'waiter'> & { wait_ms: number }

/** Says whether `value` can be the name of a subscription. */
export function isSubscriptionName(value: unknown): value is string {
  return typeof value === 'string' && SUBSCRIPTION_NAME.test(value)
}

/** Parses the body of a claim; every member has a default. @throws HttpError 400 */
export function parseClaim(text: string): Wish {
  const names = ['subscription', 'limit', 'lease_seconds', 'wait_seconds', 'consumer']
  const read = readMembers(text, names, '{"subscription": "inbox", "limit": 10}')
  const subscription = read.value.subscription ?? INBOX
  if (!isSubscriptionName(subscription)) read.complain('subscription', NAME_RULE)
  const limit = read.integer('limit', 10, 1, LIMITS.CLAIM_EVENTS)
  const lease = read.integer('lease_seconds', 30, 1, LIMITS.LEASE_SECONDS)
  const wait = read.integer('wait_seconds', 0, 0, LIMITS.WAIT_SECONDS)
  const consumer = read.text('consumer', null, LIMITS.ID_LENGTH)?.toWellFormed() ?? null
  read.done()
  const [lease_ms, wait_ms] = [lease * 1_000, wait * 1_000]
  return { subscription: String(subscription), limit, lease_ms, wait_ms, consumer }
}

/** Parses `{"lease_seconds": 60}`. @returns milliseconds. @throws HttpError 400 */
export function parseExtend(text: string): number {
  const read = readMembers(text, ['lease_seconds'], '{"lease_seconds": 60}')
  const seconds = read.integer('lease_seconds', 30, 1, LIMITS.LEASE_SECONDS)
  read.done()
  return seconds * 1_000
}

const SETTLEMENT = '{"ack": ["<event_id>"]}'

/**
 * Parses `{"ack": [ids], "nack": [{"event_id", "error"?, "delay_seconds"?}], "release": [ids]}`.
 * @throws HttpError 400
 */
export function parseSettlement(text: string): Omit<Settlement, 'lease' | 'by'> {
  const read = readMembers(text, ['ack', 'nack', 'release'], SETTLEMENT)
  const seen = new Set<string>()
  const list = (name: string): unknown[] => {
    const listed = read.value[name] ?? []
    if (Array.isArray(listed)) return listed
    read.complain(name, 'must be an array')
    return []
  }
  const [acks, nacks, releases] = [list('ack'), list('nack'), list('release')]
  const count = acks.length + nacks.length + releases.length
  if (count > LIMITS.CLAIM_EVENTS) {
    read.complain('', `must name at most ${LIMITS.CLAIM_EVENTS} events; a lease has no more`)
    read.done()
  }
  const idAt = (place: string, id: unknown): string => {
    if (!isEventId(id)) read.complain(place, EVENT_ID_RULE)
    else if (seen.has(id)) read.complain(place, 'is named twice; say one thing of each event')
    else seen.add(id)
    return String(id)
  }
  const ids = (name: string, listed: unknown[]) =>
    listed.map((id, index) => idAt(`${name}/${index}`, id))
  const ack = ids('ack', acks)
  const nack = nacks.map((given, index) => {
    const place = `nack/${index}`
    if (!isObject(given)) {
      read.complain(place, 'must be an object such as {"event_id": "…", "error": "…"}')
      return { event_id: '', reason: '', delay_ms: null }
    }
    const own = membersOf(
      given,
      ['event_id', 'error', 'delay_seconds'],
      `#/${place}`,
      read.complaints,
    )
    const event_id = idAt(`${place}/event_id`, given.event_id)
    return { event_id, ...nackOf(own) }
  })
  const release = ids('release', releases)
  if (count === 0) read.complain('', 'must name at least one event in "ack", "nack" or "release"')
  read.done()
  return { ack, nack, release }
}

/** Reads the members `error` and `delay_seconds` of a nack. */
export function nackOf(read: ReturnType<typeof membersOf>): {
  reason: string
  delay_ms: number | null
} {
  const { error } = read.value
  if (error != null && typeof error !== 'string')
    read.complain('error', 'must be a string that says what went wrong')
  const delay = read.integer('delay_seconds', null, 0, LIMITS.DELAY_SECONDS)
  return {
    reason: typeof error === 'string' ? cutReason(error) : NO_REASON,
    delay_ms: delay === null ? null : delay * 1_000,
  }
}
