import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'

/**
 * Brings a database to what `schema.sql` says, from whatever it has of it. SQLite has no ADD COLUMN IF NOT EXISTS, and
 * migrations that are numbered would not make a table again that somebody has dropped.
 */

const wrangler = join(dirname(fileURLToPath(import.meta.resolve('wrangler'))), '../bin/wrangler.js')

interface Column {
  table: string
  name: string
  type: string
}

/** Asks for the columns of tables, whose names are bound or spliced in as a JSON array. */
const columnsOf = (tables: string) => `
  SELECT "table".value AS "table", "column".name, "column".type
  FROM json_each(${tables}) AS "table" JOIN pragma_table_info("table".value) AS "column"`

/**
 * Makes the tables and indexes of `schema.sql` that a D1 lacks, and adds the columns that its tables lack. It can be
 * run again at any time, and asks nothing.
 * @param target which D1, in wrangler's own flags, such as `--remote`
 * @returns the columns that were added @throws Error with what wrangler said
 * @example applySchema(['--local', '--persist-to', '.wrangler/state'])
 */
export function applySchema(target: string[]): string[] {
  const schema = readFileSync('schema.sql', 'utf8')
  const wanted = columnsIn(schema)
  const tables = JSON.stringify([...new Set(wanted.map(({ table }) => table))])
  const found = execute(target, `${schema}; ${columnsOf(`'${tables}'`)}`)
  const has = ({ table, name }: Column) =>
    found.some((each) => each.table === table && each.name === name)
  const missing = wanted.filter((column) => !has(column))
  const added = missing.map(({ table, name, type }) => `${table} ADD COLUMN ${name} ${type}`)
  if (added.length > 0) execute(target, added.map((each) => `ALTER TABLE ${each}`).join('; '))
  return missing.map(({ table, name }) => `${table}.${name}`)
}

function columnsIn(schema: string): Column[] {
  const database = new DatabaseSync(':memory:')
  database.exec(schema)
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
  const names = JSON.stringify(tables.map(({ name }) => name))
  const columns = database.prepare(columnsOf('?')).all(names)
  database.close()
  return columns.map(({ table, name, type }) => ({
    table: String(table),
    name: String(name),
    type: String(type),
  }))
}

/** Runs statements. @returns the rows of all of them */
function execute(target: string[], statements: string): Partial<Column>[] {
  // Without a shell, which would take the statements apart; and they begin as a flag does.
  const flags = ['d1', 'execute', 'DB', ...target, '--yes', '--json', `--command=${statements}`]
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [wrangler, ...flags], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error([stdout, stderr, error].filter(Boolean).join('\n'))
  const answers: { results?: Partial<Column>[] }[] = JSON.parse(stdout)
  return answers.flatMap(({ results }) => results ?? [])
}
