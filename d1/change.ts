import type { EventState, StoredEvent } from '../shared/event'

type UpdatedFields = Pick<
  EventState,
  'event_id' | 'status' | 'retry_count' | 'created_at' | 'updated_at'
>

/** All that D1 is to be told of one event, in this order. */
export interface D1Change {
  event_id: string
  /** Removes what was accepted under the id before that moment; 0 for nothing. */
  deleteBefore: number
  /** Removes its dead letter if it failed before that moment; 0 for nothing. */
  clearBefore: number
  insert: StoredEvent | null
  update: UpdatedFields | null
}

/** At most this many events in one write to D1. */
export const MAX_STEP_EVENTS = 1_000
/** A bound string may have 2 MB; a UTF-16 unit takes at most 3 bytes in it, escaped or not. A single event may be longer: it is bound as it is. */
export const MAX_STEP_CHARS = 500_000
