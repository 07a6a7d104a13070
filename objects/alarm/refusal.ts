import { type DeadLetter, EVERY_SUBSCRIPTION } from '../../shared/dead-letter'
import { type D1Change, sumOfClears } from '../../d1/change'
import { type EventState } from '../../shared/event'
import { failOpenPairs, type OpenPair } from '../pairs'
import { refusalReason } from './refusal-reason'
import { addMove, type CountChanges } from '../store/counters'
import type { Parked } from '../store/parked'

/** A change that D1 rejected. */
export interface Refusal {
  change: D1Change
  /** Whether it was tried by itself. If not, D1 may have rejected another change of the same write. */
  alone: boolean
  /** What D1 said, for the log only. */
  error: string
}

/** What becomes of an event that D1 rejected. */
export interface RefusalEffect {
  /** Its row as it is now; undefined when it was deleted meanwhile. */
  state: EventState | undefined
  parked: Parked
  counts: CountChanges
  /** The subscriptions that had it open and have given it up, when this was the last attempt. */
  closed: Map<string, OpenPair>
  /** Its dead letter then. */
  letter: DeadLetter | null
}

export interface RefusalSituation {
  state: EventState | undefined
  /** What was parked when D1 rejected it before. */
  before: Parked | undefined
  /** The moment of the refusal, by the shard's clock. */
  at: number
  /** The event fails when D1 has rejected it by itself this many times. */
  maxRetries: number
  /** When it is tried again, unless it has failed. */
  retryAt: number
}

/**
 * Decides what becomes of an event that D1 rejected. It is parked for a later attempt, and the last attempt fails it.
 * A change that was rejected together with others does not count as an attempt.
 * @returns null when there is nothing left to tell D1 of the event, because the journal has its deletion
 */
export function effectOf(
  { change, alone, error }: Refusal,
  { state, before, at, maxRetries, retryAt }: RefusalSituation,
): RefusalEffect | null {
  const deletes = Math.max(change.deleteBefore, before?.deletes ?? 0)
  const clears = Math.max(change.clearBefore, before?.clears ?? 0)
  const clears_named = sumOfClears([...change.clearNamed, ...(before?.clears_named ?? [])], clears)
  if (!state && deletes === 0 && clears === 0 && clears_named.length === 0) return null
  const { event_id, insert } = change
  const isOwn = insert !== null && insert.created_at === state?.created_at
  const body = state ? (isOwn ? insert : (before?.body ?? null)) : null
  const attempts = (before?.attempts ?? 0) + Number(alone)
  const isLast = alone && attempts >= maxRetries
  const counted = state && {
    ...state,
    retry_count: state.retry_count + Number(alone && attempts <= maxRetries),
  }
  const failed = counted && body && isLast ? failOpenPairs(counted, at) : null
  // An event that its consumers have failed is given up as well, and stays so until it is redriven.
  const wasGivenUp = Boolean(before?.body && before.retry_at === null)
  const isGivenUp =
    failed !== null || (body !== null && state?.status === 'failed' && (isLast || wasGivenUp))
  const reason = refusalReason(error)
  const retry_at = isGivenUp ? null : retryAt
  const waited = Boolean(before?.body && before.retry_at !== null)
  const waits = body !== null && retry_at !== null
  const counts: CountChanges = { queue_depth: Number(waits) - Number(waited) }
  if (failed && state) addMove(counts, state.status, 'failed')
  return {
    state: failed?.state ?? counted,
    closed: failed?.open ?? new Map(),
    parked: { event_id, body, attempts, retry_at, reason, deletes, clears, clears_named },
    counts,
    letter: failed && { event_id, subscription: EVERY_SUBSCRIPTION, reason, failed_at: at },
  }
}
