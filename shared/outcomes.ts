import type { RecordedLetter } from './dead-letter'
import type { EventBody, EventState, EventStatus } from './event'
import type { Story } from './timeline'
import type { PeriodCounts } from './verification'

/** Declares what a shard answers: every type that calls between worker and shards carry beside events. */

export type AcceptOutcome =
  | KnownOutcome
  /**
   * Nothing was stored: a shard that may have the event already did not answer.
   * With `busy` this shard has too much under way.
   */
  | { outcome: 'unanswered'; busy?: true }

export interface KnownOutcome {
  /**
   * `replayed` and `mismatch` are about an idempotency key that was accepted before.
   * `replayed` came with the same body as then, `mismatch` with another one.
   */
  outcome: 'accepted' | 'duplicate' | 'replayed' | 'mismatch'
  created_at: number
  /** The present status of the event that was accepted first. */
  status: EventStatus
}

export type MoveOutcome =
  /** The event was moved. `replayed`: an earlier nack with this key and body did it; `event` is its state now. */
  | { outcome: 'moved'; event: EventState; replayed?: true }
  /** Nothing changed. `refused`: the status does not allow it. `mismatch`: a nack with another body had this key. */
  | { outcome: 'refused' | 'mismatch'; status: EventStatus }
  | { outcome: 'unknown' }
  /** Its shard did not answer, or it may be in a shard that this worker has not heard of. */
  | { outcome: 'unanswered' }

/** How an operator moves events; workers of the version before say nothing of it. */
export interface ByHand {
  /** The one subscription in which to do it; otherwise in all. */
  subscription?: string | undefined
  /** The wait after a nack; null or absent for that of the subscription. */
  delay_ms?: number | null
  /** The name of the API token. */
  by?: string
}

/** Identifies a nack, so that a repeat is recognised: digests of its idempotency key and of its body. */
export interface NackKey {
  nack_key: string
  nack_body: string
}

/** What a shard needs to know of an event to recognise its duplicates. */
export interface Identity {
  event_id: string
  fingerprint?: string | undefined
}

export interface HandOver {
  /** Null for an id that this shard does not have, and will not accept any more. */
  outcomes: (AcceptOutcome | null)[]
  /** A moment later than everything that this shard ever did with these ids. */
  clock: number
}

export interface Redriven {
  redriven: number
  /** The ids of the first ones, for the log; shards of the version before leave it out. */
  event_ids?: string[]
  more: boolean
}

/** An event's state, with its body as long as D1 does not have it. */
export interface HeldEvent extends EventState {
  body: EventBody | null
  /** What happened to it, if that was asked for; absent from shards of the version before. */
  story?: Story
}

/** Counts what D1 has yet to be told. */
export interface Untold {
  /** Events that D1 does not have. */
  unstored: number
  /** Changes and deletions of events that D1 has. It shows an older state of those events, or still shows them. */
  stale: number
}

/** The result of a flush: what D1 has still not been told, and the counts. */
export interface Flushed extends Untold {
  /** How many events the shard has in each status; a shard of the version before leaves it out. */
  counts?: Record<EventStatus, number>
}

/** An answer with every SHARD_COUNT there was, largest first. The first shard adds them when it is told ours. */
export type WithShardCounts<Answer> = Answer & { shard_counts?: number[] }

export type Counts = Record<EventStatus | 'queue_depth' | 'dead_letters', number>

/** A shard's counters beside the counts of its rows, at one instant. */
export interface Recount {
  shard: string
  counters: Counts
  rows: Counts
  /** Absent from shards of the version before. */
  pairs?: PairRecount
}

/** A shard's counters of subscriptions beside what its rows say, by name. */
export interface PairRecount {
  counters: Record<string, number>
  rows: Record<string, number>
  /** Pairs that a version without subscriptions has left, and that cannot be claimed yet. */
  backlog: number
}

/** One step of a count by period. */
export interface CountStep {
  counts: PeriodCounts[]
  /** The next step begins after the event with this id; null when this was the last step. */
  next: string | null
}

/** A dead letter as its shard has it; `recorded` is true once D1 has it. */
export interface HeldLetter extends RecordedLetter {
  recorded: boolean
}
