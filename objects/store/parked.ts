import { MAX_STEP_CHARS } from '../../d1/change'
import { bodyLength } from '../../shared/event'
import { type Unfinished } from '../journal'
import { MAX_DELAY_MS } from '../../shared/retry'
import type { Sql } from './sql'

/** A change that D1 rejected. `retry_at` is when it is tried again, null once it was given up. */
export interface Parked extends Unfinished {
  attempts: number
  retry_at: number | null
  reason: string
}

/** Keeps what D1 rejected. It is tried again apart from the journal, so that it holds up no other event. */
export function parkedOn(sql: Sql) {
  const find = (eventId: string): Parked | undefined => {
    type Row = Omit<Parked, 'body' | 'clears_named'> &
      Record<'payload' | 'metadata' | 'clears_named', string | null>
    const [row] = sql.rows<Row>('SELECT * FROM parked WHERE event_id = ?', eventId)
    if (!row) return undefined
    const { payload, metadata, clears_named, ...fields } = row
    return {
      ...fields,
      body: payload === null ? null : { payload, metadata },
      clears_named: clears_named === null ? [] : JSON.parse(clears_named),
    }
  }
  return {
    find,
    /** Returns those of these ids whose body is parked. */
    held(ids: string[]): string[] {
      const statement = `SELECT event_id FROM parked
        WHERE payload IS NOT NULL AND event_id IN (SELECT value FROM json_each(?))`
      return sql
        .rows<{ event_id: string }>(statement, JSON.stringify(ids))
        .map((row) => row.event_id)
    },
    park({
      event_id,
      body,
      attempts,
      retry_at,
      reason,
      deletes,
      clears,
      clears_named,
    }: Parked): void {
      sql.run(
        `INSERT OR REPLACE INTO parked
           (event_id, payload, metadata, attempts, retry_at, reason, deletes, clears, clears_named)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        event_id,
        body?.payload ?? null,
        body?.metadata ?? null,
        attempts,
        retry_at,
        reason,
        deletes,
        clears,
        clears_named.length > 0 ? JSON.stringify(clears_named) : null,
      )
    },
    /** Removes what is parked of an event. @returns whether there was any */
    unpark(eventId: string): boolean {
      return sql.rows('DELETE FROM parked WHERE event_id = ? RETURNING 1', eventId).length > 0
    },
    delete(ids: string[]): void {
      sql.run(
        'DELETE FROM parked WHERE event_id IN (SELECT value FROM json_each(?))',
        JSON.stringify(ids),
      )
    },
    /** Returns when the next one is to be tried; null when none waits. */
    nextAt(): number | null {
      const statement =
        'SELECT retry_at FROM parked WHERE retry_at IS NOT NULL ORDER BY retry_at LIMIT 1'
      return sql.rows<{ retry_at: number }>(statement)[0]?.retry_at ?? null
    },
    /**
     * Returns what is due, as much as one write to D1 may carry.
     * What seems further ahead than MAX_DELAY_MS was put off before the clock jumped back: it is due too.
     */
    due(now: number, most: number): Parked[] {
      const ids = sql.rows<{ event_id: string }>(
        'SELECT event_id FROM parked WHERE retry_at <= ?1 OR retry_at > ?2 ORDER BY retry_at LIMIT ?3',
        now,
        now + MAX_DELAY_MS,
        most,
      )
      const due: Parked[] = []
      let chars = 0
      for (const { event_id } of ids) {
        const parked = find(event_id)
        if (!parked) continue
        chars += parked.body ? bodyLength(parked.body) : 0
        if (due.length > 0 && chars > MAX_STEP_CHARS) break
        due.push(parked)
      }
      return due
    },
    /** Makes those due again that were given up. @returns how many there were */
    resume(ids: string[], at: number): number {
      const statement = `UPDATE parked SET attempts = 0, retry_at = ?
        WHERE retry_at IS NULL AND event_id IN (SELECT value FROM json_each(?)) RETURNING 1`
      return sql.rows(statement, at, JSON.stringify(ids)).length
    },
    /** Counts these events that are parked and wait to be stored for the first time. */
    countWaiting(ids: string[]): number {
      const statement = `SELECT count(*) FROM parked
        WHERE retry_at IS NOT NULL AND payload IS NOT NULL
          AND event_id IN (SELECT value FROM json_each(?))`
      return sql.number(statement, JSON.stringify(ids))
    },
    /** Counts the events that D1 rejected, and the changes and deletions of others that it rejected. */
    untold(): { unstored: number; stale: number } {
      return {
        unstored: sql.number('SELECT count(*) FROM parked WHERE payload IS NOT NULL'),
        stale: sql.number('SELECT count(*) FROM parked WHERE payload IS NULL OR deletes > 0'),
      }
    },
  }
}
