import { isoTime } from '../shared/event'
import type { Verb } from '../shared/lifecycle'
import { LIMITS } from '../shared/limits'
import { firstOf, log } from '../shared/log'
import type { MoveOutcome } from '../shared/outcomes'
import { HttpError, keyReused } from '../shared/problem'
import { parseAcks, parseMove, parseNack } from './commands'
import { json, now } from './http/answers'
import { eventIdOf, readText, requireJson } from './http/body'
import type { InboxRequest } from './http/middleware'
import { isPassing, shardSilent } from './http/silence'
import { digestOf, idempotencyKey } from './ingest/identity'
import { needsPolicy } from './leases'
import { findInShards, type Shard } from './shards'

/**
 * Makes the handler of POST /inbox/:id/ack or /retry, in one subscription or in all in which that can be done.
 * It answers 200 with the new status, 404 unknown, 409 when the present status does not allow it.
 */
export function postMove(verb: 'ack' | 'retry') {
  return async (request: InboxRequest, env: Env): Promise<Response> => {
    const id = namedEvent(request)
    if (request.headers.has('Content-Type')) requireJson(request)
    const { subscription } = parseMove(await readText(request, LIMITS.COMMAND_BYTES))
    const how = { subscription, by: callerOf(request) }
    const outcomes = await askMoves(env, [id], (shard) => shard[verb]([id], how))
    return moved(id, verb, outcomes, subscription)
  }
}

/**
 * Answers POST /inbox/:id/nack with the status that the nack left the event in.
 * 200 done, 404 unknown, 409 not pending, 422 when the idempotency key came with another body before.
 */
export async function postNack(request: InboxRequest, env: Env): Promise<Response> {
  const id = namedEvent(request)
  needsPolicy(env)
  if (request.headers.has('Content-Type')) requireJson(request)
  const given = idempotencyKey(request.headers)
  const text = await readText(request, LIMITS.COMMAND_BYTES)
  const { reason, delay_ms, subscription } = parseNack(text)
  const key =
    given === null
      ? undefined
      : { nack_key: await digestOf(given), nack_body: await digestOf(text) }
  const how = { subscription, delay_ms, by: callerOf(request) }
  const nack = (shard: Shard) => shard.nack(id, reason, key, how)
  return moved(id, 'nack', await askMoves(env, [id], nack), subscription)
}

/** Answers DELETE /inbox/:id: 200 once the event is gone from its shard, 404 unknown. D1 is told later. */
export async function deleteEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = namedEvent(request)
  const [removed] = await findInShards(env, [event_id], async (shard, own) => {
    const [gone] = await shard.remove(own)
    return [gone ?? null]
  })
  if (!removed) throw eventNotFound(event_id)
  return json({ data: { event_id, status: 'deleted', timestamp: now() }, timestamp: now() })
}

/** Answers POST /inbox/ack with one result an id, in order. 200 if all are delivered, else 207. */
export async function postAcks(request: InboxRequest, env: Env): Promise<Response> {
  requireJson(request)
  const { event_ids: ids, subscription } = parseAcks(await readText(request, LIMITS.COMMAND_BYTES))
  request.facts = firstOf('event_ids', ids)
  const how = { subscription, by: callerOf(request) }
  const outcomes = await askMoves(env, ids, (shard, own) => shard.ack(own, how))
  const data = outcomes.map((outcome, index) => {
    const event_id = ids[index] ?? ''
    if (outcome?.outcome === 'moved') return { index, event_id, status: outcome.event.status }
    const { code, message } = moveError(event_id, 'ack', outcome, subscription)
    return { index, event_id, status: 'rejected', error: { code, detail: message } }
  })
  return json(
    { data, timestamp: now() },
    data.every(({ status }) => status !== 'rejected') ? 200 : 207,
  )
}

/** Asks the shards that have these events to move them. @returns one outcome an id, null for one that no shard has */
export function askMoves(
  env: Env,
  ids: string[],
  ask: (shard: Shard, own: string[]) => Promise<MoveOutcome[]>,
): Promise<(MoveOutcome | null)[]> {
  const unanswered = { outcome: 'unanswered' } as const
  const askOne = async (shard: Shard, own: string[]) => {
    try {
      return (await ask(shard, own)).map((each) => (each.outcome === 'unknown' ? null : each))
    } catch (error) {
      // The answer must still tell what the other shards did.
      if (!isPassing(error)) throw error
      log('error', 'a shard did not answer', { error: String(error), events: own.length })
      return own.map(() => unanswered)
    }
  }
  return findInShards(env, ids, askOne, unanswered)
}

/** Reads the event id in the path, and adds it to the request's log line. */
export function namedEvent(request: InboxRequest): string {
  const event_id = eventIdOf(request)
  request.facts = { event_id }
  return event_id
}

function callerOf(request: InboxRequest): string {
  return request.caller?.name ?? ''
}

function moved(
  event_id: string,
  verb: Verb,
  [outcome]: (MoveOutcome | null)[],
  subscription: string | undefined,
): Response {
  if (outcome?.outcome !== 'moved') throw moveError(event_id, verb, outcome, subscription)
  const { status, retry_count, updated_at } = outcome.event
  const data = { event_id, status, retry_count, timestamp: isoTime(updated_at) }
  const headers = outcome.replayed ? { 'Idempotency-Replayed': 'true' } : undefined
  return json({ data, timestamp: now() }, 200, headers)
}

function moveError(
  event_id: string,
  verb: Verb,
  outcome: MoveOutcome | null | undefined,
  subscription: string | undefined,
): HttpError {
  if (outcome?.outcome === 'unanswered') return shardSilent(`POST /inbox/:id/${verb}`)
  if (outcome?.outcome === 'mismatch') return keyReused('nack', { event_status: outcome.status })
  if (outcome?.outcome !== 'refused') return eventNotFound(event_id)
  const wanted = verb === 'retry' ? 'failed' : 'pending'
  const where = subscription === undefined ? '' : ` in the subscription "${subscription}"`
  const detail = `The event is ${outcome.status}; ${verb} takes an event that is ${wanted}${where}.`
  return new HttpError(409, 'STATUS_CONFLICT', detail, {
    members: { event_status: outcome.status },
  })
}

export function eventNotFound(id: string): HttpError {
  return new HttpError(404, 'EVENT_NOT_FOUND', `There is no event with the event_id ${id}.`)
}
