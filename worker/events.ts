import { configurationOf, needed, notConfigured } from '../shared/config'
import { isoTime, type NewEvent } from '../shared/event'
import { firstOf } from '../shared/log'
import type { KnownOutcome } from '../shared/outcomes'
import { type Complaint, HttpError, keyReused, unavailable } from '../shared/problem'
import { acceptAll, isHeld, newEvent, type Outcome } from './accept'
import { json, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { eventUnanswered } from './http/silence'
import { digestOf } from './ingest/identity'
import { readEvents } from './ingest/ingest'

/** This module answers POST /events: it turns the shards' outcomes into results, and those into the answer. */

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

/** Makes the 503 for an event whose shard has as much under way as it may hold. It was not stored. */
function busy(): HttpError {
  return unavailable(
    'The shard of this event has too much to store at once. Wait a moment, then send the event again.',
  )
}

function asReplay(outcome: Outcome): Outcome {
  const isMismatch = isHeld(outcome) && outcome.outcome === 'mismatch'
  return isMismatch ? { ...outcome, outcome: 'replayed' } : outcome
}

/** Makes the error for an outcome that is none of a new event or its repeat; null for those. */
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

/**
 * Answers a batch: 202 if all events were accepted, 207 if some were accepted or are known.
 * If none was, it throws a problem that has the same results.
 */
export function batchResponse(results: Result[]): Response {
  const count = (status: string) => results.filter((each) => each.status === status).length
  const rejected = count('rejected')
  if (rejected < results.length)
    return json({ data: results, timestamp: now() }, count('accepted') < results.length ? 207 : 202)
  const members = { data: results }
  if (results.some(({ error }) => error?.code === 'NOT_CONFIGURED')) throw notConfigured(members)
  // Events whose shard did not answer may or may not be stored, so the sender has to send them again.
  if (results.some(({ error }) => error?.code === 'UNAVAILABLE')) {
    const detail =
      'No event is known to be stored, and some may be. Send the batch again with the same event_ids.'
    throw unavailable(detail, members)
  }
  const [first] = results
  const detail = `None of the ${results.length} events was stored. The first: ${first?.error?.detail}`
  throw new HttpError(400, 'BATCH_REFUSED', detail, { members })
}

/** What became of one entry of a batch. */
export interface Result {
  index: number
  event_id: string | null
  status: 'accepted' | 'duplicate' | 'rejected'
  event_status?: unknown
  created_at?: unknown
  error?: { code: string; detail: string; errors?: Complaint[] }
}

export function batchResults(events: (NewEvent | null)[], outcomes: Outcome[]): Result[] {
  return outcomes.map((outcome, index) => {
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
}

/**
 * Answers POST /events: 202 once every event is durable in its shard.
 * A single event whose `event_id` is known gets a 409. A batch gets a 207 if some events are not accepted, and a 400 if
 * none is accepted and none is known.
 */
export async function postEvents(request: InboxRequest, env: Env): Promise<Response> {
  const { batch, entries, key, text } = await readEvents(request, configurationOf(env).webhooks)
  const subscriptions = needed(configurationOf(env).subscriptions)
  const caller = request.caller?.name ?? ''
  const fingerprint = key ? await digestOf(text) : undefined
  const events = await Promise.all(
    entries.map((entry) =>
      'draft' in entry
        ? newEvent(entry.draft, key, fingerprint, request.correlationId, caller, subscriptions)
        : null,
    ),
  )
  const accepted = await acceptAll(
    env,
    events.filter((event) => event !== null),
  )
  let at = 0
  const outcomes = entries.map((entry) => ('error' in entry ? entry.error : accepted[at++]))
  // A webhook that is sent again is a replay whatever its body, also one that an older version accepted.
  if (key?.[0] === 'webhook') outcomes[0] = asReplay(outcomes[0])
  if (batch) {
    const results = batchResults(events, outcomes)
    request.facts = firstOf(
      'refused',
      results.flatMap(({ index, event_id, status, error }) =>
        status === 'accepted'
          ? []
          : [{ index, event_id, code: error?.code ?? 'DUPLICATE_EVENT_ID' }],
      ),
    )
    return batchResponse(results)
  }
  const event_id = events[0]?.event_id ?? ''
  request.facts = { event_id }
  return acceptResponse(event_id, outcomes[0])
}
