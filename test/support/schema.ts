import { readFileSync } from 'node:fs'
import { unstable_splitSqlQuery } from 'wrangler'

/** The statements of schema.sql. */
export const SCHEMA = unstable_splitSqlQuery(readFileSync('schema.sql', 'utf8'))

export const applySchema = (db: D1Database) => db.batch(SCHEMA.map((sql) => db.prepare(sql)))
