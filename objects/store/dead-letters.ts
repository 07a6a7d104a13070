import { cutReason, type DeadLetter, type RecordedLetter } from '../../shared/dead-letter'
import type { Sql } from './sql'

/** Keeps one row a failed event: why it failed, and whether the queue has taken it and D1 has it. */
export function deadLettersOn(sql: Sql) {
  const unsent = (limit: number) =>
    sql.rows<DeadLetter>(
      'SELECT event_id, reason, failed_at FROM dead_letters WHERE sent_at IS NULL LIMIT ?',
      limit,
    )
  return {
    add(letters: DeadLetter[]): void {
      if (letters.length === 0) return
      const rows = letters.map((each) => [each.event_id, cutReason(each.reason), each.failed_at])
      sql.run(
        `INSERT OR REPLACE INTO dead_letters (event_id, reason, failed_at)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)`,
        JSON.stringify(rows),
      )
    },
    delete(ids: string[]): void {
      sql.run(
        'DELETE FROM dead_letters WHERE event_id IN (SELECT value FROM json_each(?))',
        JSON.stringify(ids),
      )
    },
    /** Returns the ids of at most `limit` dead letters, of any reason or of this one. */
    ids(reason: string | null, limit: number): string[] {
      const statement = 'SELECT event_id FROM dead_letters WHERE ?1 IS NULL OR reason = ?1 LIMIT ?2'
      return sql.rows<{ event_id: string }>(statement, reason, limit).map((row) => row.event_id)
    },
    unsent,
    hasUnsent: (): boolean => unsent(1).length > 0,
    markSent(letters: DeadLetter[], at: number): void {
      for (const { event_id, failed_at } of letters) {
        sql.run(
          'UPDATE dead_letters SET sent_at = ? WHERE event_id = ? AND failed_at = ?',
          at,
          event_id,
          failed_at,
        )
      }
    },
    /** Remembers that D1 has the dead letter. @returns false when it does not stand any more */
    markRecorded(eventId: string, failedAt: number): boolean {
      const statement =
        'UPDATE dead_letters SET recorded = 1 WHERE event_id = ? AND failed_at = ? RETURNING 1'
      return sql.rows(statement, eventId, failedAt).length > 0
    },
    /** Marks letters that D1 has lost to be sent again, if they still stand. @returns how many do */
    resend(letters: RecordedLetter[]): number {
      const statement = `UPDATE dead_letters SET recorded = 0, sent_at = NULL
        WHERE recorded = 1 AND (event_id, failed_at) IN
          (SELECT value ->> 'event_id', value ->> 'failed_at' FROM json_each(?)) RETURNING 1`
      return sql.rows(statement, JSON.stringify(letters)).length
    },
    /** Marks letters to be sent again that the queue took before `sentBefore` and D1 never got. */
    resendUnrecorded(sentBefore: number): void {
      sql.run(
        'UPDATE dead_letters SET sent_at = NULL WHERE recorded = 0 AND sent_at < ?',
        sentBefore,
      )
    },
  }
}
