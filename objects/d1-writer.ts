import { isoTime, type StoredEvent } from './event'
import { bodyLength, type EventState, MAX_STEP_CHARS, type NetEffect } from './journal'

/** A write's place in its shard's order: D1 ignores a write whose tick is lower than one it has already seen. */
export interface Fence {
  shard: string
  tick: number
}

const RAISE_FENCE = `
  INSERT INTO fences (shard, tick) VALUES (?1, ?2)
  ON CONFLICT (shard) DO UPDATE SET tick = excluded.tick WHERE excluded.tick > fences.tick`

const NOT_LATE = `(SELECT tick FROM fences WHERE shard = ?1) = ?2`

const INSERT_MANY = `
  INSERT INTO events (event_id, payload, metadata, status, created_at, updated_at, retry_count)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  FROM json_each(?3) WHERE ${NOT_LATE}
  ON CONFLICT (event_id) DO NOTHING`

const INSERT_ONE = `
  INSERT INTO events (event_id, payload, metadata, status, created_at, updated_at, retry_count)
  SELECT ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE ${NOT_LATE}
  ON CONFLICT (event_id) DO NOTHING`

const UPDATE_MANY = `
  UPDATE events SET status = change.value ->> 1, updated_at = change.value ->> 2, retry_count = change.value ->> 3
  FROM json_each(?3) AS change
  WHERE events.event_id = change.value ->> 0 AND ${NOT_LATE}`

/** Tells D1 in one transaction. Repeating it, or having it land late, changes nothing. @throws what D1 throws */
export async function writeToD1(
  db: D1Database,
  { shard, tick }: Fence,
  { inserts, updates }: NetEffect,
): Promise<void> {
  const statements = [db.prepare(RAISE_FENCE).bind(shard, tick)]
  const large = inserts.filter((event) => bodyLength(event) > MAX_STEP_CHARS)
  const small = inserts.filter((event) => bodyLength(event) <= MAX_STEP_CHARS)
  for (const event of large)
    statements.push(db.prepare(INSERT_ONE).bind(shard, tick, ...eventValues(event)))
  if (small.length > 0)
    statements.push(
      db.prepare(INSERT_MANY).bind(shard, tick, JSON.stringify(small.map(eventValues))),
    )
  if (updates.length > 0)
    statements.push(
      db.prepare(UPDATE_MANY).bind(shard, tick, JSON.stringify(updates.map(updateValues))),
    )
  await db.batch(statements)
}

function eventValues(event: StoredEvent) {
  const { event_id, payload, metadata, status, created_at, updated_at, retry_count } = event
  return [
    event_id,
    payload,
    metadata,
    status,
    isoTime(created_at),
    isoTime(updated_at),
    retry_count,
  ]
}

function updateValues(state: EventState) {
  return [state.event_id, state.status, isoTime(state.updated_at), state.retry_count]
}
