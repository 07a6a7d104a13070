import { MAX_STEP_CHARS, MAX_STEP_EVENTS } from '../../d1/change'
import { bodyLength, type EventBody, type EventState } from '../../shared/event'
import {
  bodiesOf,
  type Deletion,
  type JournalEntry,
  type JournalRow,
  splitRow,
  type Step,
} from '../journal'
import type { Sql } from './sql'

/** Which event it is. */
type Accepted = Pick<EventState, 'event_id' | 'created_at'>
type JournalHead = Pick<JournalRow, 'seq' | 'attempts'>

/** Keeps what D1 has yet to be told: one row a commit, in the order of the commits. */
export function journalOn(sql: Sql) {
  function* rows(clause: string, ...bindings: number[]): Generator<JournalRow> {
    type Row = Omit<JournalRow, 'entries'> & { entries: string }
    const statement = `SELECT seq, accepted, attempts, entries, bodies FROM journal ${clause}`
    for (const row of sql.each<Row>(statement, ...bindings))
      yield { ...row, entries: JSON.parse(row.entries) }
  }
  /** Finds the rows in which events wait to be stored, by event id. Only rows that meet `condition` count. */
  const waitingIn = (states: Accepted[], condition = 'true'): Map<string, JournalHead> => {
    const createdAt = new Map(states.map((state) => [state.event_id, state.created_at]))
    const statement = `SELECT seq, attempts, entries FROM journal
      WHERE seq IN (SELECT value FROM json_each(?)) AND ${condition}`
    const seqs = JSON.stringify([...new Set(createdAt.values())])
    const found = new Map<string, JournalHead>()
    type Row = JournalHead & { entries: string }
    for (const { seq, attempts, entries } of sql.rows<Row>(statement, seqs)) {
      // The entries decide: D1 may have been told a part of the row, and the id may be another event's by now.
      const own: JournalEntry[] = JSON.parse(entries)
      for (const { op, event_id } of own)
        if (op === 'accept' && createdAt.get(event_id) === seq)
          found.set(event_id, { seq, attempts })
    }
    return found
  }
  return {
    waitingIn,
    /**
     * Appends the row of a commit.
     * @param accepted how many of the entries are events to be stored, whose `bodies` these are
     */
    append(seq: number, accepted: number, entries: JournalEntry[], bodies: string): void {
      const changes = bodies === '' ? entries.length : 0
      sql.run(
        'INSERT INTO journal (seq, accepted, changes, entries, bodies) VALUES (?, ?, ?, ?, ?)',
        seq,
        accepted,
        changes,
        JSON.stringify(entries),
        bodies,
      )
    },
    isEmpty: (): boolean => sql.rows('SELECT 1 FROM journal LIMIT 1').length === 0,
    /** Returns the `seq` of the newest row; 0 when there is none. */
    end: (): number => sql.number('SELECT coalesce(max(seq), 0) FROM journal'),
    /** Returns the `seq` of the oldest row, or `otherwise`. */
    begin: (otherwise: number): number =>
      sql.number('SELECT coalesce(min(seq), ?) FROM journal', otherwise),
    /** Counts the rows up to `end`. */
    commitsLeft: (end: number): number =>
      sql.number('SELECT count(*) FROM journal WHERE seq <= ?', end),
    /**
     * Returns the oldest rows, as many as one write to D1 may carry.
     * With a lower `most` that may be only a part of the oldest row.
     */
    nextStep(most: number): Step {
      const step: JournalRow[] = []
      let entries = 0
      let chars = 0
      for (const row of rows('ORDER BY seq')) {
        entries += row.entries.length
        chars += row.bodies.length
        if (step.length > 0 && (entries > most || chars > MAX_STEP_CHARS)) break
        if (row.entries.length > most && most < MAX_STEP_EVENTS) return splitRow(row, most)
        step.push(row)
      }
      return { rows: step, rest: null }
    },
    /** Counts one more failed attempt to tell D1 of the rows up to `end`. */
    attemptFailed(end: number): void {
      sql.run('UPDATE journal SET attempts = attempts + 1 WHERE seq <= ?', end)
    },
    /**
     * Removes the rows up to `end`, which D1 was told of; later ones may have come in meanwhile.
     * @returns how many events waited in them: fewer than D1 was told of when some were deleted since
     */
    deleteUpTo(end: number): number {
      const statement = 'DELETE FROM journal WHERE seq <= ? RETURNING accepted'
      const gone = sql.rows<{ accepted: number }>(statement, end)
      return gone.reduce((sum, { accepted }) => sum + accepted, 0)
    },
    /**
     * Cuts off the part of a row that D1 was told of, and keeps the rest.
     * @param waited how many events waited in the part that goes
     */
    narrow({ seq, entries, bodies }: JournalRow, waited: number): void {
      sql.run(
        `UPDATE journal SET accepted = accepted - ?1, entries = ?2, bodies = ?3,
           changes = iif(changes > 0, json_array_length(?2), 0) WHERE seq = ?4`,
        waited,
        JSON.stringify(entries),
        bodies,
        seq,
      )
    },
    /**
     * Stops counting deleted events as waiting to be stored; their bodies may stay.
     * @returns how many of them waited in the journal
     */
    stopWaiting(states: EventState[]): number {
      const waiting = [...waitingIn(states).values()]
      for (const [seq, { length }] of Map.groupBy(waiting, (row) => row.seq))
        sql.run('UPDATE journal SET accepted = accepted - ? WHERE seq = ?', length, seq)
      return waiting.length
    },
    /**
     * Returns the next deletions and redrives after a place in the journal.
     * Rows that accepted events are left out: a deletion in such a row is in the former owner's journal too.
     */
    deletionsAfter({ seq, entry }: Pick<Deletion, 'seq' | 'entry'>, most: number): Deletion[] {
      const statement = `
        SELECT seq, entry.key AS entry,
          entry.value ->> 'op' AS op, entry.value ->> 'event_id' AS event_id,
          entry.value -> 'subscriptions' AS subscriptions
        FROM journal, json_each(entries) AS entry
        WHERE changes > 0 AND op IN ('delete', 'redrive')
          AND seq >= ?1 AND (seq > ?1 OR entry.key > ?2)
        ORDER BY seq, entry.key LIMIT ?3`
      type Row = Omit<Deletion, 'subscriptions'> & { subscriptions: string | null }
      return sql
        .rows<Row>(statement, seq, entry, most)
        .map(({ subscriptions, ...deletion }) =>
          subscriptions === null
            ? deletion
            : { ...deletion, subscriptions: JSON.parse(subscriptions) },
        )
    },
    /** Counts what waits in the rows up to `end`: events to be stored, and changes of others. */
    waiting(end = Number.MAX_SAFE_INTEGER): { unstored: number; stale: number } {
      const statement = `SELECT coalesce(sum(accepted), 0) AS unstored, coalesce(sum(changes), 0) AS stale
        FROM journal WHERE seq <= ?`
      const [found] = sql.rows<{ unstored: number; stale: number }>(statement, end)
      return found ?? { unstored: 0, stale: 0 }
    },
    /** Returns the bodies of events that wait in the journal, by id, up to so many UTF-16 units and at least one. */
    bodiesOf(states: Accepted[], most: number): Map<string, EventBody> {
      const found = new Map<string, EventBody>()
      let chars = 0
      for (const [seq, own] of Map.groupBy(states, ({ created_at }) => created_at)) {
        const [row] = rows('WHERE seq = ?', seq).toArray()
        const bodies = row && bodiesOf(row)
        for (const { event_id } of own) {
          const body = bodies?.get(event_id)
          if (!body) continue
          chars += bodyLength(body)
          if (found.size > 0 && chars > most) return found
          found.set(event_id, body)
        }
      }
      return found
    },
    /** Returns the body of an event that waits in the journal. */
    bodyOf({ event_id, created_at }: EventState): EventBody | undefined {
      const row = rows('WHERE seq = ?', created_at).next().value
      return row && bodiesOf(row).get(event_id)
    },
  }
}
