/**
 * Measures what `GET /inbox` costs as the inbox grows.
 * It asks the same queries of 1 thousand, 100 thousand and 1 million events, each in a D1 of its own, in turn in one
 * run. It prints a table of milliseconds (median) and rows read, and the query plans.
 */
import { readFileSync } from 'node:fs'
import { createTestHarness, unstable_splitSqlQuery } from 'wrangler'
import { parseInboxQuery } from '../worker/inbox-query.ts'

const SIZES = [1_000, 100_000, 1_000_000]
const ROUNDS = 40
const START = Date.parse('2026-01-01T00:00:00Z')
/** Spaces the events a minute apart, so that the largest inbox spans two years. */
const timeOf = (n: number) => new Date(START + n * 60_000).toISOString()

async function inboxOf(size: number) {
  const server = createTestHarness({ workers: [{ configPath: 'wrangler.jsonc' }] })
  const { url } = await server.listen()
  const { DB } = await server.getWorker<Env>().getEnv()
  const schema = unstable_splitSqlQuery(readFileSync('schema.sql', 'utf8'))
  await DB.batch(schema.map((statement) => DB.prepare(statement)))
  const insert = DB.prepare(`
    INSERT INTO events (event_id, payload, metadata, status, created_at, updated_at, retry_count)
    SELECT printf('e-%07d', value ->> 0),
      json_object(
        'order', value ->> 0,
        'kind', CASE value ->> 0 % 2 WHEN 0 THEN 'order' ELSE 'refund' END,
        'note', 'a note of some length, as events have them'),
      json_object('source', 'shop'),
      CASE value ->> 0 % 4 WHEN 0 THEN 'pending' ELSE 'delivered' END,
      value ->> 1, value ->> 1, 0
    FROM json_each(?)`)
  for (let at = 0; at < size; at += 5_000) {
    const rows = Array.from({ length: Math.min(5_000, size - at) }, (_, index) => [
      at + index,
      timeOf(at + index),
    ])
    await insert.bind(JSON.stringify(rows)).run()
  }
  // The queries look in the middle of the events, so that they are the same for every size.
  const from = timeOf(Math.floor(size / 2))
  const to = timeOf(Math.floor(size / 2) + 400)
  const [middle] = (
    await DB.prepare('SELECT * FROM events WHERE created_at < ? ORDER BY created_at DESC LIMIT 1')
      .bind(from)
      .all<Record<'created_at' | 'event_id', string>>()
  ).results
  if (!middle) throw new Error('no event in the middle')
  const cursor = parseInboxQuery(new URLSearchParams('limit=50')).cursorAfter({
    ...middle,
    updated_at: middle.created_at,
    retry_count: 0,
  })
  const queries = {
    'newest 50': 'limit=50',
    'status=pending&limit=50': 'status=pending&limit=50',
    'status=pending,failed&limit=50': 'status=pending,failed&limit=50',
    'from & to, 50 of 400': `from=${from}&to=${to}&limit=50`,
    'status & from & to': `status=pending&from=${from}&to=${to}&limit=50`,
    'cursor page, deep inside': `limit=50&cursor=${cursor}`,
    'payload.order, found at once': `payload.kind=order&limit=50`,
    'payload.order, never found': `payload.order=none&limit=50`,
  }
  return { size, server, url, DB, queries }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const inboxes = await Promise.all(SIZES.map(inboxOf))
const table: string[][] = []
const plans: string[] = []
for (const name of Object.keys(
  inboxes[0]?.queries ?? {},
) as (keyof (typeof inboxes)[number]['queries'])[]) {
  const times = inboxes.map((): number[] => [])
  for (let round = -3; round < ROUNDS; round++) {
    for (const [index, { url, queries }] of inboxes.entries()) {
      const startedAt = performance.now()
      // What the client makes of an answer has no part in the figure.
      const response = await fetch(
        new URL(`/inbox?${queries[name]}&consistency=eventual&count=false`, url),
        { headers: { Authorization: 'Bearer dev-token' } },
      )
      await response.arrayBuffer()
      if (!response.ok) throw new Error(`${name}: ${response.status}`)
      // The first rounds warm up.
      if (round >= 0) times[index]?.push(performance.now() - startedAt)
    }
  }
  const medians = times.map(median)
  const rows: number[] = []
  for (const { DB, queries } of inboxes) {
    const { page } = parseInboxQuery(new URLSearchParams(queries[name]))
    rows.push(
      (
        await DB.prepare(page.sql)
          .bind(...page.bindings)
          .all()
      ).meta.rows_read,
    )
    if (rows.length === SIZES.length) {
      const plan = await DB.prepare(`EXPLAIN QUERY PLAN ${page.sql}`)
        .bind(...page.bindings)
        .all<{ detail: string }>()
      plans.push(`${name}\n${plan.results.map((step) => `    ${step.detail}`).join('\n')}`)
    }
  }
  const ratio = (medians.at(-1) ?? NaN) / (medians[0] ?? NaN)
  table.push([
    name,
    ...medians.map((time) => time.toFixed(1)),
    ratio.toFixed(2),
    ...rows.map(String),
  ])
}
console.log(
  `| Query | ${SIZES.map((size) => `${size} events, ms`).join(' | ')} | ratio ` +
    `| ${SIZES.map((size) => `${size} events, rows read`).join(' | ')} |`,
)
console.log(`|${' --- |'.repeat(SIZES.length * 2 + 2)}`)
for (const row of table) console.log(`| ${row.join(' | ')} |`)
console.log(`\n${plans.join('\n')}`)
await Promise.all(inboxes.map(({ server }) => server.close()))
