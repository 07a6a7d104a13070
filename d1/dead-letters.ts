import type { DeadLetterMessage } from '../shared/dead-letter'
import { INBOX } from '../shared/event'
import { readRows, runOnD1 } from './reader'

/**
 * This module has the statements on the dead letters in D1, but for those that search them.
 * They are in the table `letters`. The table `dead_letters` has those of the version before: such a row counts as one
 * of the subscription INBOX, unless `letters` has the same failure by its name.
 */

/** A letter's columns that say where and why it failed. Those of its key come before and after them. */
const CONTENT = 'shard, reason, retry_count, correlation_id'

/** Selects the letters of the version before; `name` is what they have in the place of a subscription. */
const former = (name: string, content: string) => `
  SELECT event_id, ${name} AS subscription, ${content}, failed_at FROM dead_letters AS old
  WHERE NOT EXISTS (
    SELECT 1 FROM letters WHERE event_id = old.event_id AND failed_at = old.failed_at)`

/** Identifies one failure of one pair; `failed_at` is ISO 8601. Without a subscription it is in `dead_letters`. */
export interface LetterKey extends Pick<DeadLetterMessage, 'event_id' | 'failed_at'> {
  subscription?: string | null
}

/** A letter as D1 has it; its `subscription` is null when it is in `dead_letters`. */
export interface LetterRow extends Pick<DeadLetterMessage, 'event_id' | 'shard' | 'failed_at'> {
  subscription: string | null
}

const record = (table: string, key: string, keyOfLetter: string) => `
  INSERT INTO ${table} (${key}, ${CONTENT}, failed_at)
  SELECT ${keyOfLetter}, value ->> 'shard', value ->> 'reason', value ->> 'retry_count',
    value ->> 'correlation_id', value ->> 'failed_at'
  FROM json_each(?) WHERE true
  ON CONFLICT (${key}) DO UPDATE SET shard = excluded.shard, reason = excluded.reason,
    retry_count = excluded.retry_count, correlation_id = excluded.correlation_id,
    failed_at = excluded.failed_at
  WHERE excluded.failed_at > ${table}.failed_at`

const RECORD = record(
  'letters',
  'event_id, subscription',
  "value ->> 'event_id', value ->> 'subscription'",
)
const RECORD_FORMER = record('dead_letters', 'event_id', "value ->> 'event_id'")

/**
 * Stores letters, and keeps only the latest one of each pair.
 * A letter without a subscription comes from a shard of the version before, which will remove it from `dead_letters`.
 * @param letters up to 100, which one bound parameter carries: at most 0.7 MB
 */
export async function recordLetters(db: D1Database, letters: DeadLetterMessage[]): Promise<void> {
  const isNamed = ({ subscription }: DeadLetterMessage) => subscription !== undefined
  await runOnLetters(db, RECORD, letters.filter(isNamed))
  await runOnLetters(
    db,
    RECORD_FORMER,
    letters.filter((letter) => !isNamed(letter)),
  )
}

const WITHDRAW = `
  DELETE FROM letters WHERE (event_id, subscription, failed_at) IN (
    SELECT value ->> 'event_id', value ->> 'subscription', value ->> 'failed_at' FROM json_each(?))`

const WITHDRAW_FORMER = `
  DELETE FROM dead_letters WHERE (event_id, failed_at) IN (
    SELECT value ->> 'event_id', value ->> 'failed_at' FROM json_each(?))`

/** Removes letters, but never the letter of another failure of the same pair. */
export async function withdrawLetters(db: D1Database, letters: LetterKey[]): Promise<void> {
  const keys = letters.map(({ event_id, failed_at, subscription = null }) => {
    return { event_id, failed_at, subscription }
  })
  await runOnLetters(
    db,
    WITHDRAW,
    keys.filter(({ subscription }) => subscription !== null),
  )
  await runOnLetters(
    db,
    WITHDRAW_FORMER,
    keys.filter(({ subscription }) => (subscription ?? INBOX) === INBOX),
  )
}

async function runOnLetters(db: D1Database, sql: string, letters: LetterKey[]): Promise<void> {
  if (letters.length > 0) await runOnD1(db, sql, [JSON.stringify(letters)])
}

// Each table has an index in this order, and SQLite merges them: it reads only as far as the page needs. A third term
// would have it sort. Letters of one event that failed at one moment come as the index has them, by subscription.
export const NEWEST_LETTERS = `
  SELECT event_id, subscription, ${CONTENT}, failed_at FROM letters
  UNION ALL ${former(`'${INBOX}'`, CONTENT)}
  ORDER BY failed_at DESC, event_id DESC`

/** Reads letters, newest first. @throws HttpError 503 when D1 does not answer */
export async function readLetters(
  db: D1Database,
  limit: number,
  offset: number,
): Promise<DeadLetterMessage[]> {
  return readRows(db, `${NEWEST_LETTERS} LIMIT ? OFFSET ?`, [limit, offset])
}

const between = (end: string) => `
  SELECT event_id, subscription, shard, failed_at FROM letters
  WHERE event_id > ?1 AND event_id <= ${end}
  UNION ALL ${former('NULL', 'shard')} AND event_id > ?1 AND event_id <= ${end}
  ORDER BY event_id`

const BETWEEN = `
  WITH last AS MATERIALIZED (SELECT event_id FROM (${between('?2')} LIMIT 1 OFFSET ?3))
  ${between('coalesce((SELECT event_id FROM last), ?2)')}`

/**
 * Reads the next `most` letters in the order of their events' ids, from after one id up to another, and the others of
 * the last event. @throws HttpError 503
 */
export async function readLettersBetween(
  db: D1Database,
  after: string,
  end: string,
  most: number,
): Promise<LetterRow[]> {
  return readRows(db, BETWEEN, [after, end, most - 1])
}

const SAME = `
  WITH letter AS (
    SELECT value ->> 'event_id' AS event_id, value ->> 'subscription' AS subscription,
      value ->> 'failed_at' AS failed_at
    FROM json_each(?))
  SELECT event_id, subscription, shard, failed_at FROM letters
  WHERE (event_id, subscription, failed_at) IN (SELECT * FROM letter)
  UNION ALL SELECT event_id, NULL, shard, failed_at FROM dead_letters
  WHERE (event_id, failed_at) IN (
    SELECT event_id, failed_at FROM letter WHERE subscription IS NULL)`

/** Reads which of these letters D1 has. @throws HttpError 503 when D1 does not answer */
export async function readSameLetters(db: D1Database, letters: LetterKey[]): Promise<LetterRow[]> {
  return readRows(db, SAME, [JSON.stringify(letters)])
}
