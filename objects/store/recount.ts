import type { RecordedLetter } from '../../shared/dead-letter'
import { type EventStatus, STATUSES } from '../../shared/event'
import type { Counts, CountStep, HeldLetter, Recount } from '../../shared/outcomes'
import {
  DAY_MS,
  HOUR_MS,
  type Instant,
  LETTERS_A_STEP,
  type PeriodCounts,
  periodOf,
} from '../../shared/verification'

/** This module counts a shard's rows anew, to find out whether its counters, and D1, agree with them. */

/** Counting so many rows takes about 50 ms, in which the shard does nothing else. */
const ROWS_A_STEP = 50_000
/** When more commits than this wait for D1, it is not looked up which events they concern. */
const MAX_COMMITS = 1_000

const STATUS_COUNTS = STATUSES.map(
  (status) => `count(*) FILTER (WHERE status = '${status}') AS ${status}`,
).join(', ')

/** Writes the SQL for the start of the period that a moment is in. `?1` is when periods begin to be hours. */
const startOf = (moment: string) =>
  `${moment} - ${moment} % iif(${moment} < ?1, ${DAY_MS}, ${HOUR_MS})`

/** Selects the entries of commits that accepted nothing. */
const CHANGES = `
  SELECT seq, value ->> 'op' AS op, value ->> 'event_id' AS event_id,
    value ->> 'created_at' AS created_at
  FROM journal, json_each(entries) WHERE changes > 0`

/** Counts a shard's rows. It reads every row at once but keeps none; a GROUP BY would sort them all. */
export function recountRows(sql: SqlStorage, shard: string): Recount {
  const counts = (statement: string) => sql.exec<Counts>(statement).one()
  return {
    shard,
    counters: counts(
      'SELECT pending, delivered, failed, queue_depth, letters AS dead_letters FROM counters',
    ),
    rows: counts(
      `SELECT ${STATUS_COUNTS},
         (SELECT coalesce(sum(accepted), 0) FROM journal)
           + (SELECT count(*) FROM parked WHERE retry_at IS NOT NULL AND payload IS NOT NULL)
           AS queue_depth,
         (SELECT count(*) FROM letters) AS dead_letters
       FROM events`,
    ),
  }
}

/** Counts the next events by period, in the order of their ids. @param hours as hoursFrom gives it */
export function countPeriods(sql: SqlStorage, hours: number, after: string): CountStep {
  type Row = Omit<PeriodCounts, 'period'> & { start: number; events: number; last: string }
  const rows = sql
    .exec<Row>(
      `SELECT ${startOf('created_at')} AS start, ${STATUS_COUNTS},
         count(*) AS events, max(updated_at) AS latest, max(event_id) AS last
       FROM (SELECT * FROM events WHERE event_id > ?2 ORDER BY event_id LIMIT ${ROWS_A_STEP})
       GROUP BY start`,
      hours,
      after,
    )
    .toArray()
  const isFull = rows.reduce((sum, { events }) => sum + events, 0) === ROWS_A_STEP
  const last = rows
    .map((row) => row.last)
    .toSorted()
    .at(-1)
  return {
    counts: rows.map(({ start, pending, delivered, failed, latest }) => {
      const period = periodOf(start, hours)
      return { period, pending, delivered, failed, latest }
    }),
    next: isFull && last !== undefined ? last : null,
  }
}

/** Finds the periods of everything that D1 has yet to be told, or rejected. @param hours as hoursFrom gives it */
export function untoldPeriods(sql: SqlStorage, hours: number): Pick<Instant, 'behind' | 'refused'> {
  const refused = sql
    .exec<{ start: number } & Record<EventStatus, number>>(
      `SELECT ${startOf('created_at')} AS start, ${STATUS_COUNTS}
       FROM parked JOIN events USING (event_id)
       WHERE payload IS NOT NULL AND retry_at IS NULL GROUP BY start`,
      hours,
    )
    .toArray()
    .map(({ start, ...counts }) => ({ period: periodOf(start, hours), ...counts }))
  if (hasMoreCommits(sql)) return { behind: null, refused }
  // A deletion that an older version journaled, or that D1 rejected, may be of any period.
  const starts = sql
    .exec<{ start: number | null }>(
      `WITH changes AS (${CHANGES})
       SELECT ${startOf('seq')} AS start FROM journal WHERE changes = 0
       UNION SELECT ${startOf('created_at')} FROM changes WHERE op = 'delete'
       UNION SELECT ${startOf('events.created_at')} FROM changes JOIN events USING (event_id)
       UNION SELECT ${startOf('created_at')} FROM parked JOIN events USING (event_id)
         WHERE retry_at IS NOT NULL
       UNION SELECT NULL FROM parked WHERE retry_at IS NOT NULL AND deletes > 0`,
      hours,
    )
    .toArray()
  const behind = starts.flatMap(({ start }) => (start === null ? [] : [periodOf(start, hours)]))
  return { behind: behind.length < starts.length ? null : behind, refused }
}

/**
 * Returns the next LETTERS_A_STEP dead letters in the order of their events' ids, and the others of the last event.
 * So a caller that goes on after that id leaves none out.
 */
export function heldLetters(sql: SqlStorage, after: string): HeldLetter[] {
  type Row = Omit<HeldLetter, 'recorded'> & { recorded: number }
  return sql
    .exec<Row & Record<string, SqlStorageValue>>(
      `SELECT event_id, subscription, failed_at, recorded FROM letters
       WHERE event_id > ?1 AND event_id <= coalesce(
         (SELECT event_id FROM letters WHERE event_id > ?1 ORDER BY event_id LIMIT 1 OFFSET ?2),
         (SELECT max(event_id) FROM letters))
       ORDER BY event_id, subscription`,
      after,
      LETTERS_A_STEP - 1,
    )
    .toArray()
    .map(({ recorded, ...letter }) => ({ ...letter, recorded: recorded === 1 }))
}

/**
 * Picks the dead letters that D1 may have. They still stand, or D1 has not been told yet that they do not.
 * One without a subscription is any letter of the event that failed at that moment.
 */
export function lettersD1MayHave(sql: SqlStorage, letters: RecordedLetter[]): RecordedLetter[] {
  if (hasMoreCommits(sql)) return letters
  type Row = { event_id: string; subscription: string | null; failed_at: number }
  return sql
    .exec<Row>(
      `WITH letter AS (
         SELECT value ->> 'event_id' AS event_id, value ->> 'subscription' AS subscription,
           value ->> 'failed_at' AS failed_at
         FROM json_each(?))
       SELECT letter.* FROM letter JOIN letters AS held USING (event_id, failed_at)
         WHERE held.subscription = coalesce(letter.subscription, held.subscription)
       UNION SELECT letter.* FROM letter JOIN (${CHANGES}) USING (event_id)
         WHERE op IN ('delete', 'redrive')
       UNION SELECT letter.* FROM letter JOIN parked USING (event_id)
         WHERE clears > 0 OR clears_named IS NOT NULL`,
      JSON.stringify(letters),
    )
    .toArray()
}

function hasMoreCommits(sql: SqlStorage): boolean {
  const statement = `SELECT 1 FROM journal LIMIT 1 OFFSET ${MAX_COMMITS}`
  return sql.exec(statement).toArray().length > 0
}
