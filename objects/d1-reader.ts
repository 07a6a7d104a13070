import { D1_TIMEOUT_MS } from './d1-writer'
import type { StoredEvent } from './event'
import { log } from './log'
import { unavailable } from './problem'
import { withTimeout } from './retry'

/** A row of the events table. */
export type EventRow = Omit<StoredEvent, 'created_at' | 'updated_at'> & {
  created_at: string
  updated_at: string
}

export function storedEvent({
  event_id,
  payload,
  metadata,
  status,
  created_at,
  updated_at,
  retry_count,
}: EventRow): StoredEvent {
  const times = { created_at: Date.parse(created_at), updated_at: Date.parse(updated_at) }
  return { event_id, payload, metadata, status, retry_count, ...times }
}

/** Rows a query finds in D1. @throws HttpError 503 when D1 does not answer */
export async function readRows<Row>(
  db: D1Database,
  sql: string,
  bindings: (string | number)[],
): Promise<Row[]> {
  try {
    const { results } = await withTimeout(
      db
        .prepare(sql)
        .bind(...bindings)
        .all<Row>(),
      D1_TIMEOUT_MS,
    )
    return results
  } catch (error) {
    log('error', 'D1 did not answer a query', { error: String(error) })
    throw unavailable('The database does not answer. Events are still accepted; try again.')
  }
}
