import type { EventState, NewEvent, ToldState } from '../../shared/event'
import { encodeNewPairs, type PairState } from '../pairs'
import { encodeTakers } from '../takers'
import { inPieces, type Sql } from './sql'

const PAIR_COLUMNS = ['event_id', 'status', 'created_at', 'nacks', 'subscriptions']
const TOLD_COLUMNS = [
  'event_id',
  'status',
  'retry_count',
  'created_at',
  'updated_at',
  'correlation_id',
  'takers',
]
const COLUMNS = [
  ...TOLD_COLUMNS,
  'nacks',
  'fingerprint',
  'nack_key',
  'nack_body',
  'subscriptions',
  'timeline',
  'accepted_by',
]

// Versions before wrote no takers: their events have the pairs.
const READ_AS: Record<string, string> = { takers: 'coalesce(takers, subscriptions)' }

/** Of the name of an API token, so much is kept. */
const MAX_NAME = 64

/** Keeps one small row an event: its status, and what identifies it. Its body is in the journal, then in D1. */
export function eventsOn(sql: Sql) {
  /**
   * Reads columns of these events, by id. SQLite makes one text of many rows: that is several times as fast as a row at
   * a time, and reading rows is most of what a drain or a claim costs.
   * @param most rows are read at once; fewer when they do not fit the 2 MB that a text may have
   */
  const read = <State extends { event_id: string }>(
    ids: string[],
    columns: string[],
    most: number,
  ): Map<string, State> => {
    const members = columns.map((column) => `'${column}', ${READ_AS[column] ?? column}`).join(', ')
    const textOf = (some: string[]): State[] => {
      try {
        const [found] = sql.rows<{ rows: string }>(
          `SELECT json_group_array(json_object(${members})) AS rows
           FROM json_each(?) AS wanted JOIN events ON events.event_id = wanted.value`,
          JSON.stringify(some),
        )
        return JSON.parse(found?.rows ?? '[]') as State[]
      } catch (error) {
        if (some.length === 1 || !/too ?big/i.test(String(error))) throw error
        const half = some.length >> 1
        return [...textOf(some.slice(0, half)), ...textOf(some.slice(half))]
      }
    }
    const states = new Map<string, State>()
    for (let from = 0; from < ids.length; from += most)
      for (const state of textOf(ids.slice(from, from + most))) states.set(state.event_id, state)
    return states
  }
  return {
    /** Returns the rows of those ids that the shard has, by id. */
    states: (ids: string[]): Map<string, EventState> => read(ids, COLUMNS, 24),
    /** The same, but only what D1 is told of them. */
    toldStates: (ids: string[]): Map<string, ToldState> => read(ids, TOLD_COLUMNS, 1_000),
    /** The same, but only what says which subscriptions have them open. */
    pairStates: (ids: string[]): Map<string, PairState> => read(ids, PAIR_COLUMNS, 100),
    insert(events: NewEvent[], createdAt: number): void {
      const rows = events.map((event) =>
        JSON.stringify([
          event.event_id,
          event.correlation_id,
          event.fingerprint,
          encodeNewPairs(event.subscriptions, event.not_before, createdAt),
          event.caller?.slice(0, MAX_NAME),
          encodeTakers(event.subscriptions),
        ]),
      )
      for (const piece of inPieces(rows))
        sql.run(
          `INSERT INTO events
             (event_id, correlation_id, fingerprint, subscriptions, accepted_by, takers, created_at, updated_at)
           SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, ?2, ?2
           FROM json_each(?1)`,
          piece,
          createdAt,
        )
    },
    update(states: EventState[]): void {
      for (const rows of inPieces(states.map(rowOf)))
        sql.run(
          `UPDATE events SET status = new.value ->> 1, retry_count = new.value ->> 2, nacks = new.value ->> 3,
             updated_at = new.value ->> 4, nack_key = new.value ->> 5, nack_body = new.value ->> 6,
             subscriptions = new.value ->> 7, timeline = new.value ->> 8
           FROM json_each(?) AS new WHERE events.event_id = new.value ->> 0`,
          rows,
        )
    },
    delete(ids: string[]): void {
      sql.run(
        'DELETE FROM events WHERE event_id IN (SELECT value FROM json_each(?))',
        JSON.stringify(ids),
      )
    },
  }
}

/** What a change writes of a row, as JSON text. */
function rowOf(state: EventState): string {
  return JSON.stringify([
    state.event_id,
    state.status,
    state.retry_count,
    state.nacks,
    state.updated_at,
    state.nack_key,
    state.nack_body,
    state.subscriptions,
    state.timeline,
  ])
}
