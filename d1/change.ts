import type { EventState, StoredEvent } from '../shared/event'

type UpdatedFields = Pick<
  EventState,
  'event_id' | 'status' | 'retry_count' | 'created_at' | 'updated_at'
>

/** Everything that D1 is to be told of one event. It is applied in the order of these fields. */
export interface D1Change {
  event_id: string
  /** Removes what was accepted under the id before that moment; 0 for nothing. */
  deleteBefore: number
  /** Removes its dead letter if it failed before that moment; 0 for nothing. */
  clearBefore: number
  insert: StoredEvent | null
  update: UpdatedFields | null
}

/** One write to D1 tells it of at most this many events. */
export const MAX_STEP_EVENTS = 1_000
/**
 * One write to D1 carries at most this much of payloads and metadata, in UTF-16 units.
 * A bound string may have 2 MB, and a unit takes at most 3 bytes of it, escaped or not. A single event may be longer:
 * its payload and metadata are then bound by themselves.
 */
export const MAX_STEP_CHARS = 500_000
