import {
  DAYS_KEPT,
  HOUR_MINUTES,
  type HourCounts,
  MINUTE_MS,
  type MinuteCounts,
  MINUTES_KEPT,
} from '../../shared/chart'
import type { Sql } from './sql'

const KEPT_AS_HOURS = DAYS_KEPT * 24 * HOUR_MINUTES

/** Selects what was counted between each row of `start` and the next one, or now. The rows are ordered by `later`. */
const GAINED = ['accepted', 'stored', 'delivered', 'failed']
  .map((what) => {
    const total = `${what}_total`
    return `lead(start.${total}, 1, now.${total}) OVER later - start.${total} AS ${what}`
  })
  .join(', ')

/**
 * Keeps the totals as each minute began in which something was counted: every minute of the last hour and, for a
 * month, the first minute of each hour.
 * What happened in an hour is the difference between its first row and that of the next hour. An hour without a row is
 * one in which nothing happened.
 */
export function minuteStartsOn(sql: Sql) {
  return {
    /**
     * Begins a row for the present minute, if there is none yet. It inserts one row, and deletes one as time goes on.
     * When the wall clock goes back a little, the newest minute goes on; minutes further ahead were a mistake.
     */
    begin(): void {
      const minute = Math.floor(Date.now() / MINUTE_MS)
      const newest = sql.number('SELECT coalesce(max(minute), 0) FROM minute_starts')
      if (newest === minute || newest === minute + 1) return
      sql.run('DELETE FROM minute_starts WHERE minute > ?', minute)
      // Rows that were beyond the last hour when the newest minute began are the first ones of their hours already.
      sql.run(
        `DELETE FROM minute_starts WHERE minute > ? AND minute <= ? AND EXISTS (
           SELECT 1 FROM minute_starts AS earlier WHERE earlier.minute < minute_starts.minute
             AND earlier.minute >= minute_starts.minute - minute_starts.minute % ${HOUR_MINUTES})`,
        newest - MINUTES_KEPT,
        minute - MINUTES_KEPT,
      )
      // One older row stays: it proves to hours() that what follows it is whole.
      sql.run(
        `DELETE FROM minute_starts
         WHERE minute < (SELECT max(minute) FROM minute_starts WHERE minute <= ?)`,
        minute - KEPT_AS_HOURS,
      )
      sql.run(
        `INSERT OR IGNORE INTO minute_starts
         SELECT ?, accepted_total, stored_total, delivered_total, failed_total FROM counters`,
        minute,
      )
    },
    /** Returns what happened in each minute of the last hour, oldest first. */
    minutes(): MinuteCounts[] {
      const since = Math.floor(Date.now() / MINUTE_MS) - MINUTES_KEPT
      return sql.rows<MinuteCounts>(
        `SELECT minute, ${GAINED} FROM minute_starts AS start, counters AS now
         WHERE minute > ? WINDOW later AS (ORDER BY minute)`,
        since,
      )
    },
    /**
     * Returns what happened in each of the last so many hours, oldest first; the last one is the present hour.
     * It leaves out an hour before which no row is left: a version that kept no hours may have deleted its first rows.
     * When all totals are 0 nothing happened before, so that such an hour is whole.
     */
    hours(count: number): HourCounts[] {
      const present = Math.floor(Date.now() / MINUTE_MS / HOUR_MINUTES)
      const first = (present - count + 1) * HOUR_MINUTES
      const rows = sql.rows<HourCounts & { is_whole: number }>(
        `SELECT minute / ${HOUR_MINUTES} AS hour, ${GAINED},
           lag(minute) OVER later IS NOT NULL OR start.accepted_total + start.stored_total
             + start.delivered_total + start.failed_total = 0 AS is_whole
         FROM (
           -- SQLite takes the other columns from the row with the least minute.
           SELECT min(minute) AS minute, accepted_total, stored_total, delivered_total, failed_total
           FROM minute_starts WHERE minute >= coalesce(
             (SELECT max(minute) FROM minute_starts WHERE minute < ?1), ?1)
           GROUP BY minute / ${HOUR_MINUTES}) AS start, counters AS now
         WINDOW later AS (ORDER BY minute)`,
        first,
      )
      return rows.flatMap(({ is_whole, ...counts }) =>
        is_whole && counts.hour * HOUR_MINUTES >= first ? [counts] : [],
      )
    },
  }
}
