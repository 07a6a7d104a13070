import {
  cutReason,
  type DeadLetter,
  type PairKey,
  type RecordedLetter,
} from '../../shared/dead-letter'
import { INBOX } from '../../shared/event'
import { inPieces, type Sql } from './sql'

/**
 * Keeps one row a failed pair of event and subscription: why it failed, whether the queue has taken it, and D1 has it.
 * How many rows there are is a counter too. So who adds or deletes letters counts them, in the same transaction.
 */
export function deadLettersOn(sql: Sql) {
  const unsent = (limit: number) =>
    sql.rows<DeadLetter>(
      'SELECT event_id, subscription, reason, failed_at FROM letters WHERE sent_at IS NULL LIMIT ?',
      limit,
    )
  const keys = (statement: string, ...bindings: (string | number | null)[]): PairKey[] =>
    sql
      .rows<{ event_id: string; subscription: string }>(statement, ...bindings)
      .map(({ event_id, subscription }) => [event_id, subscription])
  return {
    /** Adds letters; each takes the place of the one that its pair may have. @returns how many pairs had none */
    add(letters: DeadLetter[]): number {
      let added = 0
      for (const rows of inPieces(letters.map(rowOf))) {
        added += sql.number(
          `SELECT count(*) FROM (
             SELECT DISTINCT value ->> 0 AS id, value ->> 1 AS name FROM json_each(?))
           WHERE NOT EXISTS (SELECT 1 FROM letters WHERE event_id = id AND subscription = name)`,
          rows,
        )
        sql.run(
          `INSERT OR REPLACE INTO letters (event_id, subscription, reason, failed_at)
           SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`,
          rows,
        )
      }
      return added
    },
    /** Deletes all letters of these events. @returns how many there were */
    delete(ids: string[]): number {
      const statement = `DELETE FROM letters
        WHERE event_id IN (SELECT value FROM json_each(?)) RETURNING 1`
      return sql.rows(statement, JSON.stringify(ids)).length
    },
    /** Deletes the letters of these pairs, and no other of their events. @returns how many there were */
    deletePairs(pairs: PairKey[]): number {
      const statement = `DELETE FROM letters WHERE (event_id, subscription) IN
        (SELECT value ->> 0, value ->> 1 FROM json_each(?)) RETURNING 1`
      return sql.rows(statement, JSON.stringify(pairs)).length
    },
    /** Returns at most `limit` pairs that have a dead letter, of any reason and subscription or of these. */
    pairs(reason: string | null, limit: number, subscription: string | null = null): PairKey[] {
      const statement = `SELECT event_id, subscription FROM letters
        WHERE (?1 IS NULL OR reason = ?1) AND (?3 IS NULL OR subscription = ?3) LIMIT ?2`
      return keys(statement, reason, limit, subscription)
    },
    /** Returns all pairs of these events that have a dead letter. */
    ofEvents(ids: string[]): PairKey[] {
      const statement = `SELECT event_id, subscription FROM letters
        WHERE event_id IN (SELECT value FROM json_each(?))`
      return keys(statement, JSON.stringify(ids))
    },
    unsent,
    hasUnsent: (): boolean => unsent(1).length > 0,
    markSent(letters: DeadLetter[], at: number): void {
      for (const { event_id, subscription, failed_at } of letters) {
        sql.run(
          'UPDATE letters SET sent_at = ? WHERE event_id = ? AND subscription = ? AND failed_at = ?',
          at,
          event_id,
          subscription,
          failed_at,
        )
      }
    },
    /**
     * Remembers that D1 has the dead letter.
     * A worker of the version before does not name the subscription: D1 then has the letter as one of `inbox`. One of
     * another subscription is sent again a day later, to be stored under its name.
     * @returns false when it does not stand any more
     */
    markRecorded({ event_id, subscription = null, failed_at }: RecordedLetter): boolean {
      const statement = `
        UPDATE letters SET recorded = recorded OR subscription = coalesce(?3, '${INBOX}')
        WHERE event_id = ?1 AND failed_at = ?2 AND subscription = coalesce(?3, subscription)
        RETURNING 1`
      return sql.rows(statement, event_id, failed_at, subscription).length > 0
    },
    /** Marks letters that D1 has lost to be sent again, if they still stand. @returns how many do */
    resend(letters: RecordedLetter[]): number {
      const statement = `UPDATE letters SET recorded = 0, sent_at = NULL
        WHERE recorded = 1 AND (event_id, subscription, failed_at) IN (
          SELECT held.event_id, held.subscription, held.failed_at FROM json_each(?) AS lost
          JOIN letters AS held ON held.event_id = lost.value ->> 'event_id'
            AND held.failed_at = lost.value ->> 'failed_at'
            AND held.subscription = coalesce(lost.value ->> 'subscription', held.subscription))
        RETURNING 1`
      return sql.rows(statement, JSON.stringify(letters)).length
    },
    /** Marks letters to be sent again that the queue took before `sentBefore` and D1 never got. */
    resendUnrecorded(sentBefore: number): void {
      sql.run('UPDATE letters SET sent_at = NULL WHERE recorded = 0 AND sent_at < ?', sentBefore)
    },
  }
}

function rowOf({ event_id, subscription, reason, failed_at }: DeadLetter): string {
  return JSON.stringify([event_id, subscription, cutReason(reason), failed_at])
}
