import { v7 as uuidv7 } from 'uuid'
import type { NewEvent } from '../shared/event'
import { log } from '../shared/log'
import type { AcceptOutcome, KnownOutcome } from '../shared/outcomes'
import type { HttpError } from '../shared/problem'
import { type Subscriptions, subscriptionsOf } from '../shared/subscriptions'
import { eventUnanswered, isPassing } from './http/silence'
import type { Draft } from './ingest/event'
import { digestOf } from './ingest/identity'
import { askOwners, findMisconfiguration } from './shards'

/** This module turns drafts into events, and has their shards accept them. */

/** What became of an entry; an error when it never reached its shard. */
export type Outcome = AcceptOutcome | HttpError | undefined

/** Says whether the event is in its shard, now or since before. */
export function isHeld(outcome: Outcome): outcome is KnownOutcome {
  return outcome !== undefined && 'outcome' in outcome && outcome.outcome !== 'unanswered'
}

/**
 * Makes the event of a draft: decides its id, and which subscriptions take it.
 * That is the id given, or one derived from what identifies a repeat of it, or a new UUID v7 (RFC 9562).
 */
export function newEvent(
  { payload, metadata, event_id, identity, not_before }: Draft,
  key: string[] | null,
  fingerprint: string | undefined,
  correlation_id: string,
  caller: string,
  subscriptions: Subscriptions,
): NewEvent | Promise<NewEvent> {
  const takers = subscriptionsOf(subscriptions, { payload, metadata })
  const named = (id: string): NewEvent => ({
    event_id: id,
    payload,
    metadata,
    correlation_id,
    caller,
    ...(takers && { subscriptions: takers }),
    ...(not_before !== null && { not_before }),
    ...(fingerprint && { fingerprint }),
  })
  const same = key ?? identity
  if (event_id !== null) return named(event_id)
  if (!same) return { ...named(uuidv7()), isNew: true }
  return digestOf(...same).then((digest) => named(`${same[0]}-${digest}`))
}

/** Makes the errors for the events of a shard that did not answer. The other events of a batch go their way. */
function unanswered(error: unknown, own: NewEvent[]): HttpError[] {
  log('error', 'a shard did not answer', { error: String(error), events: own.length })
  return own.map(({ event_id, isNew = false }) => eventUnanswered(event_id, isNew))
}

/**
 * Has the shards accept events, each shard all of its own in one call.
 * @param refused deliveries that were refused, for any one shard to count with its commit
 * @returns one outcome an event, in order
 */
export async function acceptAll(
  env: Env,
  events: NewEvent[],
  refused?: Record<string, number>,
): Promise<Outcome[]> {
  return askOwners(env, events, async (shard, own, counts): Promise<Outcome[]> => {
    try {
      return await shard.accept(own, counts, refused)
    } catch (error) {
      // A shard throws for a SHARD_COUNT smaller than it was told of; the first shard knows if that is the reason.
      const misconfigured = isPassing(error) ? null : await findMisconfiguration(env)
      return misconfigured ? own.map(() => misconfigured) : unanswered(error, own)
    }
  })
}
