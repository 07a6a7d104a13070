import { notConfigured } from '../shared/config'
import { log, logOnce } from '../shared/log'
import { unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'

/** Every call of D1 is given up after this time, because D1 is known to stall as well as to fail. */
export const D1_TIMEOUT_MS = 10_000

export const SCHEMA_MISSING =
  'D1 lacks tables or columns of schema.sql: apply it with "npm run schema"'

type Binding = string | number | null

/** Says whether D1 lacks a table or column. Such a failure does not pass by itself. */
export function isSchemaMissing(error: unknown): boolean {
  return /no such (table|column)|has no column named/.test(String(error))
}

/** Runs a statement and returns its rows. @throws what D1 throws, and a TimeoutError after D1_TIMEOUT_MS */
export async function runOnD1<Row>(
  db: D1Database,
  sql: string,
  bindings: Binding[],
): Promise<Row[]> {
  const statement = db.prepare(sql).bind(...bindings)
  const { results } = await withTimeout(statement.all<Row>(), D1_TIMEOUT_MS)
  return results
}

/** Reads rows for a request that cannot be answered without D1. @throws HttpError 503 when it does not answer */
export async function readRows<Row>(
  db: D1Database,
  sql: string,
  bindings: Binding[],
): Promise<Row[]> {
  try {
    return await runOnD1<Row>(db, sql, bindings)
  } catch (error) {
    if (isSchemaMissing(error)) {
      logOnce('error', SCHEMA_MISSING, { error: String(error) })
      throw notConfigured()
    }
    log('error', 'D1 did not answer a query', { error: String(error) })
    throw unavailable('The database does not answer. Events are still accepted; try again.')
  }
}

/** This statement fails when one of the tables is missing, or a column that came later. */
export const EACH_TABLE = `
  SELECT EXISTS (SELECT correlation_id, subscriptions FROM events) OR EXISTS (SELECT 1 FROM letters)
    OR EXISTS (SELECT 1 FROM dead_letters) OR EXISTS (SELECT 1 FROM fences)`

/** Resolves when D1 answers and has its tables. @throws HttpError 503 */
export async function checkTables(db: D1Database): Promise<void> {
  await readRows(db, EACH_TABLE, [])
}
