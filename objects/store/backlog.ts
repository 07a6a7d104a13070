import type { EventState } from '../../shared/event'
import type { Entry } from '../entries'
import { isOpen, pairsOf } from '../pairs'
import type { Sql } from './sql'

/** One step looks at this many events. */
const EVENTS_A_STEP = 1_000

/** A pair that has no entry yet. */
export interface Untaken {
  name: string
  visible_at: number
  entry: Entry
}

/** Finds the open pairs that a version without subscriptions has left without entries, a step at a time. */
export function backlogOn(sql: Sql) {
  type Place = { untaken_after: string | null; untaken_until: number }
  const place = (): Place => {
    const [row] = sql.rows<Place>('SELECT untaken_after, untaken_until FROM counters')
    return row ?? { untaken_after: null, untaken_until: 0 }
  }
  /** Once there is none, there is none for as long as the object lives. */
  let isEmpty = false
  return {
    isEmpty: (): boolean => (isEmpty ||= place().untaken_after === null),
    /** Returns the pairs of the next step; null when there is no more. It remembers how far it came. */
    next(): Untaken[] | null {
      const { untaken_after, untaken_until } = place()
      if (untaken_after === null) return null
      type Row = Pick<EventState, 'event_id' | 'status' | 'created_at' | 'nacks' | 'subscriptions'>
      const rows = sql.rows<Row>(
        `SELECT event_id, status, created_at, nacks, subscriptions FROM events
         WHERE event_id > ? ORDER BY event_id LIMIT ${EVENTS_A_STEP}`,
        untaken_after,
      )
      const last = rows.length < EVENTS_A_STEP ? null : (rows.at(-1)?.event_id ?? null)
      sql.run('UPDATE counters SET untaken_after = ?', last)
      return rows.flatMap((row) =>
        [...pairsOf(row)].flatMap(([name, pair]) =>
          // What was put since then has its entry.
          isOpen(pair) && pair.at <= untaken_until
            ? [{ name, visible_at: pair.visible_at, entry: [row.event_id, pair.at] as Entry }]
            : [],
        ),
      )
    },
    /** Counts those that are left, by subscription. It reads every event that is left. */
    counts(): Map<string, number> {
      const { untaken_after, untaken_until } = place()
      if (untaken_after === null) return new Map()
      const rows = sql.rows<{ name: string; left: number }>(
        `SELECT name, count(*) AS left FROM (
           SELECT 'inbox' AS name, created_at AS at FROM events
             WHERE event_id > ?1 AND status = 'pending' AND subscriptions IS NULL
           UNION ALL
           SELECT pair.key, pair.value ->> 0 FROM events, json_each(events.subscriptions) AS pair
             WHERE event_id > ?1 AND pair.type = 'array')
         WHERE at <= ?2 GROUP BY name`,
        untaken_after,
        untaken_until,
      )
      return new Map(rows.map(({ name, left }) => [name, left]))
    },
  }
}
