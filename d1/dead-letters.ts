import type { DeadLetterMessage } from '../shared/dead-letter'
import { readRows, runOnD1 } from './reader'

/** This module has every statement on the dead letters in D1. */

/** Identifies one failure of one event; `failed_at` is ISO 8601. */
export type LetterKey = Pick<DeadLetterMessage, 'event_id' | 'failed_at'>
export type LetterRow = Pick<DeadLetterMessage, 'event_id' | 'shard' | 'failed_at'>

const RECORD = `
  INSERT INTO dead_letters (event_id, shard, reason, retry_count, correlation_id, failed_at)
  SELECT value ->> 'event_id', value ->> 'shard', value ->> 'reason', value ->> 'retry_count',
    value ->> 'correlation_id', value ->> 'failed_at'
  FROM json_each(?) WHERE true
  ON CONFLICT (event_id) DO UPDATE SET shard = excluded.shard, reason = excluded.reason,
    retry_count = excluded.retry_count, correlation_id = excluded.correlation_id,
    failed_at = excluded.failed_at
  WHERE excluded.failed_at > dead_letters.failed_at`

/**
 * Stores letters, and keeps only the latest one of each event.
 * @param letters up to 100, which one bound parameter carries: at most 0.7 MB
 */
export async function recordLetters(db: D1Database, letters: DeadLetterMessage[]): Promise<void> {
  await runOnD1(db, RECORD, [JSON.stringify(letters)])
}

const WITHDRAW = `
  DELETE FROM dead_letters WHERE (event_id, failed_at) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))`

/** Removes letters, but never the letter of another failure of the same event. */
export async function withdrawLetters(db: D1Database, letters: LetterKey[]): Promise<void> {
  const keys = letters.map(({ event_id, failed_at }) => [event_id, failed_at])
  await runOnD1(db, WITHDRAW, [JSON.stringify(keys)])
}

/** Reads letters, newest first. @throws HttpError 503 when D1 does not answer */
export async function readLetters(
  db: D1Database,
  limit: number,
  offset: number,
): Promise<DeadLetterMessage[]> {
  const sql = 'SELECT * FROM dead_letters ORDER BY failed_at DESC, event_id DESC LIMIT ? OFFSET ?'
  return readRows(db, sql, [limit, offset])
}

const BETWEEN = `
  SELECT event_id, shard, failed_at FROM dead_letters
  WHERE event_id > ?1 AND event_id <= ?2 ORDER BY event_id LIMIT ?3`

/** Reads letters in the order of their events' ids, from after one id up to another. @throws HttpError 503 */
export async function readLettersBetween(
  db: D1Database,
  after: string,
  end: string,
  most: number,
): Promise<LetterRow[]> {
  return readRows(db, BETWEEN, [after, end, most])
}

const SAME = `
  SELECT event_id, shard, failed_at FROM dead_letters
  WHERE (event_id, failed_at) IN (SELECT value ->> 'event_id', value ->> 'failed_at' FROM json_each(?))`

/** Reads which of these letters D1 has. @throws HttpError 503 when D1 does not answer */
export async function readSameLetters(db: D1Database, letters: LetterKey[]): Promise<LetterRow[]> {
  return readRows(db, SAME, [JSON.stringify(letters)])
}
