import {
  type D1Change,
  MAX_STEP_CHARS,
  MAX_STEP_EVENTS,
  type NamedClear,
  sumOfClears,
} from '../d1/change'
import {
  bodyLength,
  type CopiedEvent,
  type EventBody,
  type NewEvent,
  type ToldState,
} from '../shared/event'
import { takersOf } from './takers'

/**
 * The journal says what D1 has yet to be told: one row a commit, deleted once D1 has it. No I/O. No `this`.
 * A row's `entries` name the events in order. `bodies` has their bodies one after another, and the entries say how long
 * each one is, in UTF-16 units.
 */

/**
 * What one commit did to one event.
 * - `accept`: the event was new; `payload` and `metadata` are the lengths of its body. A `delete` stands before it in
 *   the same row when another shard may have had the event before.
 * - `change`: its state moved.
 * - `redrive`: its state moved, and it is no dead letter any more: in these `subscriptions`, or in none, as older
 *   versions wrote it.
 * - `delete`: it was removed.
 */
export type JournalEntry =
  | { op: 'accept'; event_id: string; payload: number; metadata: number | null }
  | { op: 'change'; event_id: string }
  | { op: 'redrive'; event_id: string; subscriptions?: string[] }
  /** `created_at` is missing when an older version wrote the entry, or when another shard had the event. */
  | { op: 'delete'; event_id: string; created_at?: number }

export interface JournalRow {
  /** The shard's clock at the commit. It is also `created_at` of the events that the row accepted. */
  seq: number
  /** How many of the events that it accepted still wait to be stored; those deleted since do not. */
  accepted: number
  /** How often writing it to D1 has failed. */
  attempts: number
  entries: JournalEntry[]
  bodies: string
}

/**
 * What one write tells D1: the oldest rows, or the first part of the oldest one.
 * In the second case `rest` is the part that D1 has then still to be told.
 */
export interface Step {
  rows: JournalRow[]
  rest: JournalRow | null
}

/** A deletion or a redrive in the journal, with its place there. */
export interface Deletion {
  op: 'delete' | 'redrive'
  event_id: string
  /** Of a redrive, as in the entry. */
  subscriptions?: string[]
  seq: number
  /** The index among the row's entries. */
  entry: number
}

/**
 * Adds a journal row's failed attempts to an event's own count, as answers show it.
 * A failed attempt to store a whole row is counted once, in the row, and added to each event's own count when the row
 * goes.
 */
export function withAttempts<State extends ToldState>(state: State, attempts: number): State {
  return { ...state, retry_count: state.retry_count + attempts }
}

/** Cuts the events of one commit into journal rows that each fit one write to D1. */
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

/**
 * Encodes newly accepted events as a journal row.
 * @param replaces ids under which D1 may still have an event that another shard has deleted
 */
export function encodeAccepted(
  events: NewEvent[],
  replaces: Set<string> = new Set(),
): Pick<JournalRow, 'entries' | 'bodies'> {
  return {
    entries: events.flatMap(({ event_id, payload, metadata }): JournalEntry[] => {
      const accept: JournalEntry = {
        op: 'accept',
        event_id,
        payload: payload.length,
        metadata: metadata === null ? null : metadata.length,
      }
      return replaces.has(event_id) ? [{ op: 'delete', event_id }, accept] : [accept]
    }),
    bodies: events.map(({ payload, metadata }) => payload + (metadata ?? '')).join(''),
  }
}

/** Finds the body of each event that the row accepted, by id. */
export function bodiesOf(row: Pick<JournalRow, 'entries' | 'bodies'>): Map<string, EventBody> {
  const found = new Map<string, EventBody>()
  let at = 0
  for (const entry of row.entries) {
    if (entry.op !== 'accept') continue
    const payload = row.bodies.slice(at, (at += entry.payload))
    const metadata = entry.metadata === null ? null : row.bodies.slice(at, (at += entry.metadata))
    found.set(entry.event_id, { payload, metadata })
  }
  return found
}

/** Cuts a row after `most` entries, or a few more: those of one event stay together. */
export function splitRow(row: JournalRow, most: number): Step {
  const { entries, bodies } = row
  let end = most
  while (end < entries.length && entries[end]?.event_id === entries[end - 1]?.event_id) end++
  const part = (own: JournalEntry[], text: string): JournalRow => {
    const accepted = own.filter(({ op }) => op === 'accept').length
    return { ...row, accepted, entries: own, bodies: text }
  }
  const first = entries.slice(0, end)
  const length = first.reduce((sum, entry) => sum + lengthOf(entry), 0)
  const rest = entries.slice(end)
  return {
    rows: [part(first, bodies.slice(0, length))],
    rest: rest.length > 0 ? part(rest, bodies.slice(length)) : null,
  }
}

/** Returns the length of the entry's body, in UTF-16 units. */
function lengthOf(entry: JournalEntry): number {
  return entry.op === 'accept' ? entry.payload + (entry.metadata ?? 0) : 0
}

/**
 * Makes the change that tells D1 of a deletion or a redrive alone.
 * Telling it early, and again, is harmless: it only removes what is to go anyway.
 */
export function deletionChange(deletion: Deletion): D1Change {
  const { op, event_id, seq } = deletion
  const change = { ...unchanged(event_id), deleteBefore: op === 'delete' ? seq : 0 }
  addClear(change, deletion)
  return change
}

/** Adds to a change which dead letters a redrive or a deletion removes. */
function addClear(
  change: D1Change,
  { subscriptions, seq }: Pick<Deletion, 'subscriptions' | 'seq'>,
): void {
  const named = (subscriptions ?? []).map((name): NamedClear => [name, seq])
  if (!subscriptions) change.clearBefore = Math.max(change.clearBefore, seq)
  change.clearNamed = sumOfClears([...change.clearNamed, ...named], change.clearBefore)
}

/**
 * Folds rows to one change an event. The present `states` win over the state at the time of the rows, so folding the
 * same rows again, or older rows, leads to the same end. `storedAt` becomes `updated_at` of the inserted events.
 */
export function fold(
  rows: JournalRow[],
  states: Map<string, ToldState>,
  storedAt: number,
): D1Change[] {
  const changes = new Map<string, D1Change>()
  for (const row of rows) {
    const bodies = bodiesOf(row)
    for (const entry of row.entries) {
      const { op, event_id } = entry
      const change = changes.get(event_id) ?? unchanged(event_id)
      changes.set(event_id, change)
      const state = states.get(event_id)
      if (op === 'delete') change.deleteBefore = row.seq
      if (entry.op === 'redrive') addClear(change, { ...entry, seq: row.seq })
      if (op === 'delete') addClear(change, row)
      if (!state) continue
      const body = bodies.get(event_id)
      if (op !== 'accept' || !body) change.update = state
      // Where they differ, the event was deleted, and a later row accepted another one under its id.
      else if (state.created_at === row.seq) {
        change.insert = insertOf(state, body, storedAt, row.attempts)
        // An attempt whose answer was lost may have stored the event; then only the update changes it.
        if (row.attempts > 0) change.update = state
      }
    }
  }
  // An update beside an insert gives the row the values that the insert would have.
  for (const change of changes.values()) {
    if (change.insert && change.update) change.update = change.insert
  }
  return [...changes.values()]
}

/**
 * What is still to be done about an event that D1 rejected.
 * `body` is there while D1 does not have the event; `deletes`, `clears` and `clears_named` are `deleteBefore`,
 * `clearBefore` and `clearNamed` of a D1Change.
 */
export interface Unfinished {
  event_id: string
  body: EventBody | null
  deletes: number
  clears: number
  clears_named: NamedClear[]
}

/** Makes the change that tells D1 the present state of an event that it rejected before. */
export function presentChange(
  { event_id, body, deletes, clears, clears_named }: Unfinished,
  state: ToldState | undefined,
  storedAt: number,
): D1Change {
  const insert = state && body ? insertOf(state, body, storedAt, 0) : null
  return {
    event_id,
    deleteBefore: deletes,
    clearBefore: clears,
    clearNamed: clears_named,
    insert,
    update: insert ?? state ?? null,
  }
}

function unchanged(event_id: string): D1Change {
  return { event_id, deleteBefore: 0, clearBefore: 0, clearNamed: [], insert: null, update: null }
}

function insertOf(
  state: ToldState,
  body: EventBody,
  storedAt: number,
  attempts: number,
): CopiedEvent {
  const { event_id, status, created_at, retry_count, correlation_id } = withAttempts(
    state,
    attempts,
  )
  const { payload, metadata } = body
  return {
    event_id,
    payload,
    metadata,
    status,
    created_at,
    updated_at: storedAt,
    retry_count,
    correlation_id,
    subscriptions: takersOf(state),
  }
}
