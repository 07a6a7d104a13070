import { json, now } from './answers'
import { type Draft, isoTime, type NewEvent } from './event'
import type { AcceptOutcome, KnownOutcome } from './event-shard'
import { digestOf } from './ingest'
import { log } from './log'
import { HttpError, keyReused, unavailable } from './problem'
import { eventUnanswered } from './silence'
import { v7 as uuidv7 } from 'uuid'

/** From a draft to the event its shard accepts, and from the shard's outcome to the answer. */

/** What became of an entry; an error where it never reached its shard. */
export type Outcome = AcceptOutcome | HttpError | undefined

/** The event with its id: given, derived from what makes it the same when it comes again, or a new UUID v7 (RFC 9562). */
export function newEvent(
  { payload, metadata, event_id, identity }: Draft,
  key: string[] | null,
  fingerprint: string | undefined,
  correlation_id: string,
): NewEvent | Promise<NewEvent> {
  const named = (id: string): NewEvent => ({
    event_id: id,
    payload,
    metadata,
    correlation_id,
    ...(fingerprint && { fingerprint }),
  })
  const same = key ?? identity
  if (event_id !== null) return named(event_id)
  if (!same) return { ...named(uuidv7()), isNew: true }
  return digestOf(...same).then((digest) => named(`${same[0]}-${digest}`))
}

/** A shard that does not answer rejects its own events of a batch, and no others. */
export function unanswered(error: unknown, own: NewEvent[]): HttpError[] {
  log('error', 'a shard did not answer', { error: String(error), events: own.length })
  return own.map(({ event_id, isNew = false }) => eventUnanswered(event_id, isNew))
}

export function acceptResponse(event_id: string, outcome: Outcome): Response {
  const error = acceptError(event_id, outcome)
  if (error) throw error
  const { outcome: how, created_at } = outcome as KnownOutcome
  const headers = how === 'replayed' ? { 'Idempotency-Replayed': 'true' } : undefined
  return json(
    { data: { event_id, status: 'accepted', timestamp: isoTime(created_at) }, timestamp: now() },
    202,
    headers,
  )
}

/** 503 for an event whose shard has as much under way as it may hold: nothing of it was stored. */
function busy(): HttpError {
  return unavailable(
    'The shard of this event has too much to store at once. Wait a moment, then send the event again.',
  )
}

function acceptError(event_id: string, outcome: Outcome): HttpError | null {
  if (outcome instanceof HttpError) return outcome
  if (!outcome) return eventUnanswered(event_id, false)
  if (outcome.outcome === 'unanswered')
    return outcome.busy ? busy() : eventUnanswered(event_id, false)
  const members = {
    event_id,
    event_status: outcome.status,
    created_at: isoTime(outcome.created_at),
  }
  if (outcome.outcome === 'duplicate')
    return new HttpError(409, 'DUPLICATE_EVENT_ID', `Duplicate event_id: ${event_id}`, { members })
  if (outcome.outcome !== 'mismatch') return null
  return keyReused('event', members)
}

export function batchResponse(events: (NewEvent | null)[], outcomes: Outcome[]): Response {
  const data = outcomes.map((outcome, index) => {
    const event_id = events[index]?.event_id ?? null
    const error = acceptError(event_id ?? '', outcome)
    if (!error) return { index, event_id, status: 'accepted' }
    const { code, message: detail, options } = error
    const { event_status, created_at } = options.members ?? {}
    if (code === 'DUPLICATE_EVENT_ID')
      return { index, event_id, status: 'duplicate', event_status, created_at }
    const errors = options.errors?.map((each) =>
      'pointer' in each ? { ...each, pointer: `#/${index}${each.pointer.slice(1)}` } : each,
    )
    return {
      index,
      event_id,
      status: 'rejected',
      error: { code, detail, ...(errors && { errors }) },
    }
  })
  return json(
    { data, timestamp: now() },
    data.every(({ status }) => status === 'accepted') ? 202 : 207,
  )
}
