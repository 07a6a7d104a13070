import type { Entry } from '../entries'
import type { Sql } from './sql'

/** One step looks at this many events. */
const EVENTS_A_STEP = 1_000

/** Finds the pending events that were accepted before subscriptions were kept, a step at a time. */
export function backlogOn(sql: Sql) {
  type Place = { untaken_after: string | null; untaken_until: number }
  const place = (): Place => {
    const [row] = sql.rows<Place>('SELECT untaken_after, untaken_until FROM counters')
    return row ?? { untaken_after: null, untaken_until: 0 }
  }
  return {
    isEmpty: (): boolean => place().untaken_after === null,
    /** Returns the entries of the next step, oldest first; null when there is no more. It remembers how far it came. */
    next(): Entry[] | null {
      const { untaken_after, untaken_until } = place()
      if (untaken_after === null) return null
      type Row = { event_id: string; created_at: number; is_open: number }
      const rows = sql.rows<Row>(
        `SELECT event_id, created_at,
           status = 'pending' AND subscriptions IS NULL AND created_at <= ? AS is_open
         FROM events WHERE event_id > ? ORDER BY event_id LIMIT ${EVENTS_A_STEP}`,
        untaken_until,
        untaken_after,
      )
      const last = rows.length < EVENTS_A_STEP ? null : (rows.at(-1)?.event_id ?? null)
      sql.run('UPDATE counters SET untaken_after = ?', last)
      return rows
        .filter(({ is_open }) => is_open === 1)
        .toSorted((a, b) => a.created_at - b.created_at)
        .map(({ event_id, created_at }): Entry => [event_id, created_at])
    },
    /** Counts those that are still to be taken in. It reads every event that is left. */
    count(): number {
      const { untaken_after, untaken_until } = place()
      if (untaken_after === null) return 0
      return sql.number(
        `SELECT count(*) FROM events WHERE event_id > ? AND status = 'pending'
           AND subscriptions IS NULL AND created_at <= ?`,
        untaken_after,
        untaken_until,
      )
    },
  }
}
