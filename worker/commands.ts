import { cutReason } from '../shared/dead-letter'
import { EVENT_ID_RULE, isEventId } from '../shared/event'
import { isObject } from '../shared/json'
import { LIMITS } from '../shared/limits'
import { type Complaint, type HttpError, invalid } from '../shared/problem'
import { parseJson } from './http/json'
import { readMembers } from './http/members'
import { isSubscriptionName, NAME_RULE, nackOf } from './lease-commands'
import { didYouMean } from '../shared/suggestion'

/** This module parses the bodies of requests that change events. No I/O. */

/**
 * The dead letters to redrive: those with these ids, or with this reason, in one subscription or in any. A null reason
 * means all of them.
 */
export type Redrive =
  | { event_ids: string[] }
  | { reason: string; subscription: string | undefined }
  | { reason: null }

/** In which subscription to act on an event by its id; undefined for all in which that can be done. */
export interface Where {
  subscription: string | undefined
}

/** Parses `{"event_ids": [...], "subscription"?}` with 1 to 1,000 ids. @throws HttpError 400, for a malformed id too */
export function parseAcks(text: string): Where & { event_ids: string[] } {
  const body = parseObject(text, ['event_ids', 'subscription'])
  return { event_ids: eventIds(body), subscription: subscriptionIn(body) }
}

/** Parses `{"subscription"?}` or an empty body. @throws HttpError 400 */
export function parseMove(text: string): Where {
  return {
    subscription:
      text.trim() === '' ? undefined : subscriptionIn(parseObject(text, ['subscription'])),
  }
}

/** Parses `{"error"?, "subscription"?, "delay_seconds"?}` or an empty body. @throws HttpError 400 */
export function parseNack(text: string): Where & { reason: string; delay_ms: number | null } {
  const read = readMembers(text, ['error', 'subscription', 'delay_seconds'], '{"error": "…"}')
  const nack = nackOf(read)
  const { subscription } = read.value
  if (subscription != null && !isSubscriptionName(subscription))
    read.complain('subscription', NAME_RULE)
  read.done()
  return { ...nack, subscription: subscription == null ? undefined : String(subscription) }
}

function subscriptionIn({ subscription }: Record<string, unknown>): string | undefined {
  if (subscription == null) return undefined
  if (isSubscriptionName(subscription)) return subscription
  throw invalidBody([{ pointer: '#/subscription', detail: NAME_RULE }])
}

/** Parses `{"event_ids": [...]}`, `{"reason": "…", "subscription"?}` or `{"all": true}`. */
export function parseRedrive(text: string): Redrive {
  const { subscription, ...body } = parseObject(text, [
    'event_ids',
    'reason',
    'all',
    'subscription',
  ])
  if (Object.keys(body).length !== 1) {
    throw invalidBody([
      { pointer: '#', detail: 'must have exactly one of "event_ids", "reason" and "all"' },
    ])
  }
  if (subscription != null && !('reason' in body)) {
    const detail = 'goes with "reason" only'
    throw invalidBody([{ pointer: '#/subscription', detail }])
  }
  if ('event_ids' in body) return { event_ids: eventIds(body) }
  if (body.all === true) return { reason: null }
  if (typeof body.reason === 'string')
    return { reason: cutReason(body.reason), subscription: subscriptionIn({ subscription }) }
  throw invalidBody([
    'all' in body
      ? { pointer: '#/all', detail: 'must be true' }
      : { pointer: '#/reason', detail: 'must be a string' },
  ])
}

function eventIds({ event_ids }: Record<string, unknown>): string[] {
  const complaint = (detail: string) => invalidBody([{ pointer: '#/event_ids', detail }])
  if (!Array.isArray(event_ids)) throw complaint('must be an array of event ids')
  if (event_ids.length === 0) throw complaint('must name at least one event')
  if (event_ids.length > LIMITS.COMMAND_IDS)
    throw complaint(`must name at most ${LIMITS.COMMAND_IDS} events`)
  const wrong = event_ids.flatMap((id, index) =>
    isEventId(id) ? [] : [{ pointer: `#/event_ids/${index}`, detail: EVENT_ID_RULE }],
  )
  if (wrong.length > 0) throw invalidBody(wrong.slice(0, LIMITS.COMPLAINTS))
  return event_ids
}

function parseObject(text: string, known: string[]): Record<string, unknown> {
  const value = parseJson(text, `{"${known[0]}": …}`)
  if (!isObject(value)) throw invalidBody([{ pointer: '#', detail: 'must be a JSON object' }])
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown === undefined) return value
  const detail = didYouMean(unknown, known) ?? `known are ${known.join(', ')}`
  throw invalidBody([{ pointer: '#', detail: `has an unknown member; ${detail}` }])
}

function invalidBody(errors: Complaint[]): HttpError {
  return invalid('INVALID_BODY', 'body', errors)
}
