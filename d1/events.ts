import type { EventBody, EventStatus, StoredEvent } from '../shared/event'
import { readRows, runOnD1 } from './reader'

/** This module reads the events that D1 has; `inbox.ts` has the listing. */

/** A row of the events table; its times are ISO 8601. */
export type EventRow = Omit<StoredEvent, 'created_at' | 'updated_at'> & {
  created_at: string
  updated_at: string
}

/** Reads an event, or undefined when D1 has none with this id. @throws HttpError 503 when D1 does not answer */
export async function readEvent(db: D1Database, id: string): Promise<EventRow | undefined> {
  const [row] = await readRows<EventRow>(db, 'SELECT * FROM events WHERE event_id = ?', [id])
  return row
}

const SMALL_BODIES = `
  SELECT event_id, payload, metadata FROM events
  WHERE event_id IN (SELECT value FROM json_each(?1))
    AND octet_length(payload) + coalesce(octet_length(metadata), 0) < ?2`

/** Reads the bodies of those events whose body is smaller than `maxBytes`. @throws what D1 throws */
export async function readSmallBodies(
  db: D1Database,
  ids: string[],
  maxBytes: number,
): Promise<(EventBody & { event_id: string })[]> {
  return runOnD1(db, SMALL_BODIES, [JSON.stringify(ids), maxBytes])
}

// Only the bodies that are returned are read whole.
const BODIES = `
  WITH sized AS MATERIALIZED (
    SELECT event_id, row_number() OVER in_order AS nth,
      sum(octet_length(payload) + coalesce(octet_length(metadata), 0)) OVER in_order AS bytes
    FROM json_each(?1) AS wanted JOIN events ON event_id = wanted.value
    WINDOW in_order AS (ORDER BY wanted.key))
  SELECT event_id, payload, metadata FROM sized JOIN events USING (event_id)
  WHERE nth = 1 OR bytes <= ?2
  UNION ALL SELECT event_id, NULL, NULL FROM sized WHERE nth > 1 AND bytes > ?2`

type BodyRow = { event_id: string; payload: string | null; metadata: string | null }

/**
 * Reads the bodies of events, in their order, up to so many bytes; the first one is read whatever its size.
 * The payload of an event beyond that is null; one that D1 does not have is left out. @throws what D1 throws
 */
export async function readBodies(
  db: D1Database,
  ids: string[],
  maxBytes: number,
): Promise<BodyRow[]> {
  return runOnD1(db, BODIES, [JSON.stringify(ids), maxBytes])
}

// Pages go on by position in the index, not by offset: D1 may still have some of the events just removed.
const DELIVERED = `
  SELECT event_id, created_at, updated_at FROM events
  WHERE status = 'delivered' AND created_at < ?1 AND (created_at, event_id) > (?2, ?3)
  ORDER BY created_at, event_id LIMIT ?4`

type DeliveredRow = Pick<EventRow, 'event_id' | 'created_at' | 'updated_at'>

/** Reads the next delivered events in the order of `created_at`. @throws HttpError 503 when D1 does not answer */
export async function readDelivered(
  db: D1Database,
  createdBefore: string,
  after: Pick<EventRow, 'event_id' | 'created_at'>,
  most: number,
): Promise<DeliveredRow[]> {
  return readRows(db, DELIVERED, [createdBefore, after.created_at, after.event_id, most])
}

const COUNT_PERIODS = `
  SELECT substr(created_at, 1, iif(created_at < ?1, 10, 13)) AS period, status, count(*) AS count
  FROM events
  WHERE status IN ('pending', 'delivered', 'failed') AND created_at >= ?2 AND created_at < ?3
  GROUP BY 1, 2`

/** Counts events by period of `created_at`: by hour from `hours` on, by day before. @throws HttpError 503 */
export async function countPeriods(
  db: D1Database,
  hours: string,
  { from, to }: { from: string; to: string },
): Promise<{ period: string; status: EventStatus; count: number }[]> {
  return readRows(db, COUNT_PERIODS, [hours, from, to])
}
