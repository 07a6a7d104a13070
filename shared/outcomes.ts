import type { RecordedLetter } from './dead-letter'
import type { EventBody, EventState, EventStatus } from './event'
import type { PeriodCounts } from './verification'

/** What a shard answers: every type that calls between worker and shards carry beside events. */

export type AcceptOutcome =
  | KnownOutcome
  /** A shard that may have it already did not answer; or, `busy`, this one has too much under way. Nothing was stored. */
  | { outcome: 'unanswered'; busy?: true }

export interface KnownOutcome {
  /** `replayed`: a request with its idempotency key was accepted before, with the same body. `mismatch`: with another one. */
  outcome: 'accepted' | 'duplicate' | 'replayed' | 'mismatch'
  created_at: number
  /** Of the first one. */
  status: EventStatus
}

export type MoveOutcome =
  /** `replayed`: by an earlier nack with the same idempotency key and body; the event is as it is now. */
  | { outcome: 'moved'; event: EventState; replayed?: true }
  /** `mismatch`: its idempotency key was that of a nack with another body. */
  | { outcome: 'refused' | 'mismatch'; status: EventStatus }
  | { outcome: 'unknown' }
  /** It may be in a shard that this worker has not heard of. */
  | { outcome: 'unanswered' }

/** What tells a nack from one that is sent again: digests of its idempotency key and of its body. */
export interface NackKey {
  nack_key: string
  nack_body: string
}

/** What tells an event from its duplicates. */
export interface Identity {
  event_id: string
  fingerprint?: string | undefined
}

export interface HandOver {
  /** Null for an id that is not here, nor will be. */
  outcomes: (AcceptOutcome | null)[]
  /** Later than all that this shard ever did with these ids. */
  clock: number
}

export interface Redriven {
  redriven: number
  /** The first of them, for the log; absent from shards of the version before. */
  event_ids?: string[]
  more: boolean
}

/** An event's state, with its body as long as D1 does not have it. */
export interface HeldEvent extends EventState {
  body: EventBody | null
}

/** What D1 has yet to be told. */
export interface Untold {
  /** Events it has not got. */
  unstored: number
  /** Changes and deletions of those it has: it shows an older state of them, or still shows them. */
  stale: number
}

/** What a flush came to. */
export interface Flushed extends Untold {
  /** How many events the shard has in each status. */
  counts: Record<EventStatus, number>
}

/** With every SHARD_COUNT there was, largest first: the first shard adds them when it is told ours. */
export type WithShardCounts<Answer> = Answer & { shard_counts?: number[] }

export type Counts = Record<EventStatus | 'queue_depth' | 'dead_letters', number>

/** A shard's counters beside what its rows come to, at one instant. */
export interface Recount {
  shard: string
  counters: Counts
  rows: Counts
}

/** One step of a count by period. */
export interface CountStep {
  counts: PeriodCounts[]
  /** The event behind which the next step begins; null when this was the last one. */
  next: string | null
}

/** A dead letter as its shard has it; `recorded` once D1 was told. */
export interface HeldLetter extends RecordedLetter {
  recorded: boolean
}
