import { notConfigured } from '../shared/config'
import { D1_TIMEOUT_MS } from './writer'
import type { StoredEvent } from '../shared/event'
import { log, logOnce } from '../shared/log'
import { unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'

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

export const SCHEMA_MISSING =
  'D1 has not the tables of schema.sql: apply it with "npx wrangler d1 execute event-inbox --remote --file schema.sql"'

/** Whether D1 answered that it has no such table: not a failure that passes by itself. */
export function isSchemaMissing(error: unknown): boolean {
  return /no such (table|column)/.test(String(error))
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
    if (isSchemaMissing(error)) {
      logOnce('error', SCHEMA_MISSING, { error: String(error) })
      throw notConfigured()
    }
    log('error', 'D1 did not answer a query', { error: String(error) })
    throw unavailable('The database does not answer. Events are still accepted; try again.')
  }
}
