import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { MIGRATIONS } from '../../objects/store/tables'

/** A shard's tables in SQLite, with the calls of its storage that the store makes, and every statement that was run. */
export function tables() {
  const sqlite = new DatabaseSync(':memory:')
  sqlite.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  for (const [version, statements] of MIGRATIONS.entries()) {
    sqlite.exec(statements)
    sqlite.prepare('INSERT INTO migrations VALUES (?)').run(version)
  }
  const statements: string[] = []
  const exec = (statement: string, ...bindings: SQLInputValue[]) => {
    statements.push(statement)
    const rows = sqlite.prepare(statement).all(...bindings)
    return {
      toArray: () => rows,
      one: () => rows[0],
      raw: () => rows.map(Object.values).values(),
      [Symbol.iterator]: () => rows.values(),
    }
  }
  const sql = { exec } as unknown as SqlStorage
  const transactionSync = <T>(change: () => T): T => change()
  return { sqlite, sql, statements, storage: { sql, transactionSync } as DurableObjectStorage }
}
