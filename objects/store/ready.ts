import type { Entry } from '../entries'
import type { Sql } from './sql'

/** Where a row of `ready` is. */
export interface ReadyPlace {
  visible_at: number
  part: number
}

export interface ReadyRow extends ReadyPlace {
  entries: Entry[]
}

const ENTRIES_A_ROW = 128

/** Keeps what can be claimed: rows of entries, by subscription and by when they can be. */
export function readyOn(sql: Sql) {
  const here = 'subscription = ? AND (visible_at, part) = (?, ?)'
  const lastRow = (subscription: string, visibleAt: number) => {
    const statement = `SELECT visible_at, part, n FROM ready
      WHERE subscription = ? AND visible_at <= ? ORDER BY visible_at DESC, part DESC LIMIT 1`
    return sql.rows<ReadyPlace & { n: number }>(statement, subscription, visibleAt)[0]
  }
  const replace = (subscription: string, { visible_at, part }: ReadyPlace, left: Entry[]): void => {
    if (left.length === 0)
      sql.run(`DELETE FROM ready WHERE ${here}`, subscription, visible_at, part)
    else
      sql.run(
        `UPDATE ready SET n = ?, entries = ? WHERE ${here}`,
        left.length,
        JSON.stringify(left),
        subscription,
        visible_at,
        part,
      )
  }
  function* rows(clause: string, ...bindings: (string | number)[]): Generator<ReadyRow> {
    type Row = ReadyPlace & { entries: string }
    const statement = `SELECT visible_at, part, entries FROM ready WHERE ${clause}`
    for (const row of sql.each<Row>(statement, ...bindings))
      yield { ...row, entries: JSON.parse(row.entries) }
  }
  const find = (subscription: string, place: ReadyPlace): Entry[] =>
    rows(here, subscription, place.visible_at, place.part).toArray()[0]?.entries ?? []
  const sharing = (subscription: string, visible_at: number, ids: Set<string>): ReadyRow[] => {
    const clause = `subscription = ? AND visible_at = ? AND EXISTS (
      SELECT 1 FROM json_each(entries) AS entry
      WHERE entry.value ->> 0 IN (SELECT value FROM json_each(?)))`
    return rows(clause, subscription, visible_at, JSON.stringify([...ids])).toArray()
  }
  return {
    find,
    replace,
    /**
     * Puts entries where they can be claimed from `visible_at` on. They join the last row that can be claimed no later,
     * if it has room for all of them: so it is one row that is written. Nothing that waits for its moment joins an
     * earlier row, which would show it too soon.
     */
    put(subscription: string, entries: Entry[], visible_at: number, now: number): void {
      const last = lastRow(subscription, visible_at)
      const fits = last && (last.visible_at === visible_at || visible_at <= now)
      if (last && fits && last.n + entries.length <= ENTRIES_A_ROW) {
        sql.run(
          `UPDATE ready SET n = n + ?, entries = substr(entries, 1, length(entries) - 1) || ',' || ? WHERE ${here}`,
          entries.length,
          JSON.stringify(entries).slice(1),
          subscription,
          last.visible_at,
          last.part,
        )
        return
      }
      let part = last?.visible_at === visible_at ? last.part + 1 : 0
      for (let from = 0; from < entries.length; from += ENTRIES_A_ROW) {
        const own = entries.slice(from, from + ENTRIES_A_ROW)
        sql.run(
          'INSERT INTO ready (subscription, visible_at, part, n, entries) VALUES (?, ?, ?, ?, ?)',
          subscription,
          visible_at,
          part++,
          own.length,
          JSON.stringify(own),
        )
      }
    },
    /** Yields the rows that can be claimed, in that order, from the last one at or before `from` on. */
    visible(subscription: string, now: number, from = 0): Generator<ReadyRow> {
      const start = from > 0 ? (lastRow(subscription, from)?.visible_at ?? 0) : 0
      const clause = 'subscription = ? AND visible_at BETWEEN ? AND ? ORDER BY visible_at, part'
      return rows(clause, subscription, start, now)
    },
    /**
     * Takes ids out of the rows that can be claimed from that moment on.
     * @returns their entries, by id
     */
    takeOut(subscription: string, visible_at: number, ids: Set<string>): Map<string, Entry> {
      const taken = new Map<string, Entry>()
      for (const row of sharing(subscription, visible_at, ids)) {
        const left = row.entries.filter(([id]) => !ids.has(id))
        if (left.length === row.entries.length) continue
        for (const entry of row.entries) if (ids.has(entry[0])) taken.set(entry[0], entry)
        replace(subscription, row, left)
      }
      return taken
    },
    /** Counts the entries that cannot be claimed yet. All of them are live. */
    scheduled: (subscription: string, now: number): number =>
      sql.number(
        'SELECT coalesce(sum(n), 0) FROM ready WHERE subscription = ? AND visible_at > ?',
        subscription,
        now,
      ),
    /** Returns when the next one can be claimed that cannot be yet; null when there is none. */
    nextAt(subscription: string, now: number): number | null {
      const statement = `SELECT visible_at FROM ready
        WHERE subscription = ? AND visible_at > ? ORDER BY visible_at LIMIT 1`
      return sql.rows<ReadyPlace>(statement, subscription, now)[0]?.visible_at ?? null
    },
    /** Returns the next few rows that can be claimed after a place, of all subscriptions. */
    after(subscription: string, { visible_at, part }: ReadyPlace, now: number, most: number) {
      type Row = ReadyPlace & { subscription: string; entries: string }
      const statement = `SELECT * FROM ready WHERE (subscription, visible_at, part) > (?, ?, ?)
        AND visible_at <= ? ORDER BY subscription, visible_at, part LIMIT ?`
      return sql
        .rows<Row>(statement, subscription, visible_at, part, now, most)
        .map((row) => ({ ...row, entries: JSON.parse(row.entries) as Entry[] }))
    },
  }
}
