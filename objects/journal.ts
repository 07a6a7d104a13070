import type { EventStatus, NewEvent, StoredEvent } from './event'

/**
 * The journal says what D1 has yet to be told: one row a commit, deleted once D1 has it. No I/O. No `this`.
 * A row's `entries` name the events in order; the bodies stand behind one another in `bodies`, found by their lengths in UTF-16 units.
 */

/** `accept`: the event was new, and this is its body. `change`: its state moved. */
export type JournalEntry =
  | { op: 'accept'; event_id: string; payload: number; metadata: number | null }
  | { op: 'change'; event_id: string }

export interface JournalRow {
  /** The shard's clock at the commit; it is also `created_at` of the events the row accepted. */
  seq: number
  /** How many of its entries are `accept`. */
  accepted: number
  /** How often writing it to D1 has failed. */
  attempts: number
  entries: JournalEntry[]
  bodies: string
}

/** An event's row in its shard. */
export interface EventState {
  event_id: string
  status: EventStatus
  retry_count: number
  created_at: number
  updated_at: number
  correlation_id: string
}

/** What a number of journal rows come to: the last word on each event they name. */
export interface NetEffect {
  inserts: StoredEvent[]
  updates: EventState[]
}

/** At most this many events in one write to D1. */
export const MAX_STEP_EVENTS = 1_000
/** A bound string may have 2 MB; a UTF-16 unit takes at most 3 bytes in it, escaped or not. A single event may be longer: it is bound as it is. */
export const MAX_STEP_CHARS = 500_000

/** The events of one commit, cut into journal rows that each fit one write to D1. */
export function cutIntoRows(events: NewEvent[]): NewEvent[][] {
  const rows: NewEvent[][] = []
  let room = 0
  for (const event of events) {
    const row = rows.at(-1)
    const length = bodyLength(event)
    if (row && row.length < MAX_STEP_EVENTS && length <= room) row.push(event)
    else {
      rows.push([event])
      room = MAX_STEP_CHARS
    }
    room -= length
  }
  return rows
}

export function bodyLength(event: { payload: string; metadata: string | null }): number {
  return event.payload.length + (event.metadata?.length ?? 0)
}

export function encodeAccepted(events: NewEvent[]): Pick<JournalRow, 'entries' | 'bodies'> {
  return {
    entries: events.map(({ event_id, payload, metadata }) => ({
      op: 'accept',
      event_id,
      payload: payload.length,
      metadata: metadata === null ? null : metadata.length,
    })),
    bodies: events.map(({ payload, metadata }) => payload + (metadata ?? '')).join(''),
  }
}

interface Body {
  payload: string
  metadata: string | null
}

/** The body of each event the row accepted, by id. */
export function bodiesOf(row: Pick<JournalRow, 'entries' | 'bodies'>): Map<string, Body> {
  const found = new Map<string, Body>()
  let at = 0
  for (const entry of row.entries) {
    if (entry.op !== 'accept') continue
    const payload = row.bodies.slice(at, (at += entry.payload))
    const metadata = entry.metadata === null ? null : row.bodies.slice(at, (at += entry.metadata))
    found.set(entry.event_id, { payload, metadata })
  }
  return found
}

/**
 * Folds rows to one statement an event. The present `states` win over what the rows once meant, so folding the same rows
 * again, or rows that are behind, converges. `storedAt` becomes `updated_at` of what is inserted.
 */
export function fold(
  rows: JournalRow[],
  states: Map<string, EventState>,
  storedAt: number,
): NetEffect {
  const inserts = new Map<string, StoredEvent>()
  const updates = new Map<string, EventState>()
  for (const row of rows) {
    const bodies = bodiesOf(row)
    for (const { op, event_id } of row.entries) {
      const state = states.get(event_id)
      if (!state) continue
      const body = bodies.get(event_id)
      if (op === 'accept' && body) {
        const { status, created_at, retry_count } = state
        inserts.set(event_id, {
          event_id,
          ...body,
          status,
          created_at,
          updated_at: storedAt,
          retry_count: retry_count + row.attempts,
        })
      } else if (!inserts.has(event_id)) updates.set(event_id, state)
    }
  }
  return { inserts: [...inserts.values()], updates: [...updates.values()] }
}
