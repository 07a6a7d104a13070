import type { CopiedEvent, EventState } from '../shared/event'

type UpdatedFields = Pick<
  EventState,
  'event_id' | 'status' | 'retry_count' | 'created_at' | 'updated_at'
>

/** Removes the dead letter of a subscription if it failed before that moment. */
export type NamedClear = [subscription: string, before: number]

/** Everything that D1 is to be told of one event. It is applied in the order of these fields. */
export interface D1Change {
  event_id: string
  /** Removes what was accepted under the id before that moment; 0 for nothing. */
  deleteBefore: number
  /** Removes all its dead letters that failed before that moment; 0 for nothing. */
  clearBefore: number
  /** Removes dead letters of single subscriptions: one a name, and none that `clearBefore` removes anyway. */
  clearNamed: NamedClear[]
  insert: CopiedEvent | null
  update: UpdatedFields | null
}

/** Adds up what is to be removed: the later moment of each name counts, unless all go that failed before it. */
export function sumOfClears(clears: NamedClear[], clearBefore: number): NamedClear[] {
  const latest = new Map<string, number>()
  for (const [name, before] of clears) latest.set(name, Math.max(before, latest.get(name) ?? 0))
  return [...latest].filter(([, before]) => before > clearBefore)
}

/** One write to D1 tells it of at most this many events. */
export const MAX_STEP_EVENTS = 1_000
/**
 * One write to D1 carries at most this much of payloads and metadata, in UTF-16 units.
 * A bound string may have 2 MB, and a unit takes at most 3 bytes of it, escaped or not. A single event may be longer:
 * its payload and metadata are then bound by themselves.
 */
export const MAX_STEP_CHARS = 500_000
