import { readFileSync } from 'node:fs'
import { unstable_splitSqlQuery } from 'wrangler'

/** The columns that a row of `events` has had from the first version on, in their order. */
export const FIRST_COLUMNS =
  'event_id, payload, metadata, status, created_at, updated_at, retry_count'

/** The statements of schema.sql. */
export const SCHEMA = unstable_splitSqlQuery(readFileSync('schema.sql', 'utf8'))

export const applySchema = (db: D1Database) => db.batch(SCHEMA.map((sql) => db.prepare(sql)))
