import { bodyLength, type CopiedEvent, INBOX, isoTime } from '../shared/event'
import { withTimeout } from '../shared/retry'
import { type D1Change, MAX_STEP_CHARS } from './change'
import { D1_TIMEOUT_MS } from './reader'

/**
 * A write's place among the writes of its shard.
 * D1 ignores a write whose tick is not higher than those it has seen, so a write that lands late changes nothing.
 */
export interface Fence {
  shard: string
  tick: number
}

const RAISE_FENCE = `
  INSERT INTO fences (shard, tick) VALUES (?1, ?2)
  ON CONFLICT (shard) DO UPDATE SET tick = excluded.tick WHERE excluded.tick > fences.tick
  RETURNING tick`

const NOT_LATE = `(SELECT tick FROM fences WHERE shard = ?1) = ?2`

// `created_at` protects another event that was accepted under the same id since.
const DELETE_EVENTS = `
  DELETE FROM events WHERE ${NOT_LATE} AND (event_id, created_at) IN (
    SELECT old.event_id, old.created_at FROM json_each(?3) AS gone
    JOIN events AS old ON old.event_id = gone.value ->> 0
    WHERE old.created_at < gone.value ->> 1)`

// `failed_at` protects the letter of a failure that came since. A NULL name is that of every letter of the event.
const DELETE_LETTERS = `
  DELETE FROM letters WHERE ${NOT_LATE} AND (event_id, subscription, failed_at) IN (
    SELECT old.event_id, old.subscription, old.failed_at FROM json_each(?3) AS gone
    JOIN letters AS old ON old.event_id = gone.value ->> 0
    WHERE old.failed_at < gone.value ->> 1
      AND old.subscription = coalesce(gone.value ->> 2, old.subscription))`

// A worker of the version before recorded these, all of them as letters of INBOX.
const DELETE_DEAD_LETTERS = `
  DELETE FROM dead_letters WHERE ${NOT_LATE} AND (event_id, failed_at) IN (
    SELECT old.event_id, old.failed_at FROM json_each(?3) AS gone
    JOIN dead_letters AS old ON old.event_id = gone.value ->> 0
    WHERE old.failed_at < gone.value ->> 1)`

const COLUMNS = `event_id, payload, metadata, status, created_at, updated_at, retry_count, correlation_id,
    subscriptions`

// An event that a write whose answer was lost has stored is left as it is. When D1 has another event under this id, the
// primary key rejects the write.
const INSERT_MANY = `
  INSERT INTO events (${COLUMNS})
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8
  FROM json_each(?3) AS new
  WHERE ${NOT_LATE} AND NOT EXISTS (
    SELECT 1 FROM events WHERE event_id = new.value ->> 0 AND created_at = new.value ->> 4)`

const INSERT_ONE = `
  INSERT INTO events (${COLUMNS})
  SELECT ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
  WHERE ${NOT_LATE} AND NOT EXISTS (SELECT 1 FROM events WHERE event_id = ?3 AND created_at = ?7)`

// A write that is not late has the last word, whatever the clocks say. A row that would not change costs nothing.
const UPDATE_MANY = `
  UPDATE events SET status = change.value ->> 1,
    updated_at = max(updated_at, change.value ->> 2), retry_count = change.value ->> 3
  FROM json_each(?3) AS change
  WHERE events.event_id = change.value ->> 0 AND events.created_at = change.value ->> 4
    AND (status, retry_count) IS NOT (change.value ->> 1, change.value ->> 3) AND ${NOT_LATE}`

/** A statement of a write and the values it is bound to. */
export interface WriteStatement {
  sql: string
  values: (string | number | null)[]
}

/**
 * Writes the statements that tell D1 of the changes, to be run in one transaction.
 * The first one returns no row when the write comes late; then all others do nothing.
 */
export function writeStatements({ shard, tick }: Fence, changes: D1Change[]): WriteStatement[] {
  const statements: WriteStatement[] = [{ sql: RAISE_FENCE, values: [shard, tick] }]
  const add = (sql: string, values: unknown[]) => {
    if (values.length > 0 || changes.length === 0)
      statements.push({ sql, values: [shard, tick, JSON.stringify(values)] })
  }
  const inserts = changes.flatMap((change) => change.insert ?? [])
  const isLarge = (event: CopiedEvent) => bodyLength(event) > MAX_STEP_CHARS

  add(
    DELETE_EVENTS,
    changes.flatMap(({ event_id, deleteBefore }) =>
      deleteBefore > 0 ? [[event_id, isoTime(deleteBefore)]] : [],
    ),
  )
  const clears = changes.flatMap(clearValues)
  add(DELETE_LETTERS, clears)
  add(
    DELETE_DEAD_LETTERS,
    clears.filter(([, , name]) => name === null || name === INBOX),
  )
  for (const part of inParts(inserts.filter((event) => !isLarge(event))))
    add(INSERT_MANY, part.map(eventValues))
  for (const event of inserts.filter(isLarge)) {
    statements.push({ sql: INSERT_ONE, values: [shard, tick, ...eventValues(event)] })
  }
  add(
    UPDATE_MANY,
    changes.flatMap(({ update }) => (update ? [updateValues(update)] : [])),
  )
  return statements
}

/**
 * Tells D1 of changes in one transaction; without changes it only tries whether D1 takes writes.
 * A write that is repeated, or lands late, changes nothing.
 * @throws what D1 throws, when the write came late, and when D1 takes longer than D1_TIMEOUT_MS
 */
export async function writeToD1(db: D1Database, fence: Fence, changes: D1Change[]): Promise<void> {
  const statements = writeStatements(fence, changes)
  const bound = statements.map(({ sql, values }) => db.prepare(sql).bind(...values))
  const [raised] = await withTimeout(db.batch(bound), D1_TIMEOUT_MS)
  if (raised?.results.length === 0) throw new Error('D1 has seen a newer write of this shard')
}

/** Says whether D1 rejected a row, rather than being unavailable. */
export function isRejection(error: unknown): boolean {
  return /SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/.test(String(error))
}

/** Cuts events into parts whose text fits a bound string. There is one, unless they name very many subscriptions. */
function inParts(events: CopiedEvent[]): CopiedEvent[][] {
  let part: CopiedEvent[] = []
  const parts = [part]
  let room = MAX_STEP_CHARS
  for (const event of events) {
    const length = bodyLength(event) + (event.subscriptions?.length ?? 0)
    if (length > room && part.length > 0) {
      parts.push((part = []))
      room = MAX_STEP_CHARS
    }
    part.push(event)
    room -= length
  }
  return parts
}

function eventValues(event: CopiedEvent) {
  const { event_id, payload, metadata, status, created_at, updated_at, retry_count } = event
  return [
    event_id,
    payload,
    metadata,
    status,
    isoTime(created_at),
    isoTime(updated_at),
    retry_count,
    event.correlation_id,
    event.subscriptions,
  ]
}

/** Lists which dead letters of an event go: [event_id, before, subscription], the last one null for all. */
function clearValues({ event_id, clearBefore, clearNamed }: D1Change) {
  const named = clearNamed.map(([name, before]) => [event_id, isoTime(before), name] as const)
  return clearBefore > 0 ? [[event_id, isoTime(clearBefore), null] as const, ...named] : named
}

function updateValues(state: NonNullable<D1Change['update']>) {
  return [
    state.event_id,
    state.status,
    isoTime(state.updated_at),
    state.retry_count,
    isoTime(state.created_at),
  ]
}
