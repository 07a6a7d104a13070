import type { EventState, NewEvent, ToldState } from '../../shared/event'
import { encodeNewPairs } from '../pairs'
import type { Sql } from './sql'

/** Keeps one small row an event: its status, and what identifies it. Its body is in the journal, then in D1. */
export function eventsOn(sql: Sql) {
  return {
    /** Returns the rows of those ids that the shard has, by id. */
    states(ids: string[]): Map<string, EventState> {
      const rows = sql.rows<EventState>(
        'SELECT events.* FROM json_each(?) AS wanted JOIN events ON events.event_id = wanted.value',
        JSON.stringify(ids),
      )
      return new Map(rows.map((row) => [row.event_id, row]))
    },
    /** The same, but only what D1 is told of them. */
    toldStates(ids: string[]): Map<string, ToldState> {
      const rows = sql.rows<ToldState>(
        `SELECT event_id, status, retry_count, created_at, updated_at, correlation_id
         FROM json_each(?) AS wanted JOIN events ON events.event_id = wanted.value`,
        JSON.stringify(ids),
      )
      return new Map(rows.map((row) => [row.event_id, row]))
    },
    insert(events: NewEvent[], createdAt: number): void {
      const rows = events.map((event) => [
        event.event_id,
        event.correlation_id,
        event.fingerprint,
        encodeNewPairs(event.subscriptions, event.not_before, createdAt),
        event.caller,
      ])
      sql.run(
        `INSERT INTO events (event_id, correlation_id, fingerprint, subscriptions, accepted_by, created_at, updated_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2, ?2 FROM json_each(?1)`,
        JSON.stringify(rows),
        createdAt,
      )
    },
    update(states: EventState[]): void {
      const rows = states.map((state) => [
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
      sql.run(
        `UPDATE events SET status = new.value ->> 1, retry_count = new.value ->> 2, nacks = new.value ->> 3,
           updated_at = new.value ->> 4, nack_key = new.value ->> 5, nack_body = new.value ->> 6,
           subscriptions = new.value ->> 7, timeline = new.value ->> 8
         FROM json_each(?) AS new WHERE events.event_id = new.value ->> 0`,
        JSON.stringify(rows),
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
