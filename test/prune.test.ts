import { expect } from 'vitest'
import { test as base } from './world'

const test = base.override('vars', { RETENTION_DAYS: '7', SHARD_COUNT: '1' })
const daysAgo = (days: number) => Date.now() - days * 24 * 60 * 60 * 1_000

test('removes events delivered more than RETENTION_DAYS ago from shard and D1, more than fit one step, and no others', async ({
  inbox,
  server,
}) => {
  /** Puts events of a past time where accepting and draining would have put them. */
  const add = async (
    prefix: string,
    count: number,
    status: 'pending' | 'delivered' | 'failed',
    created: number,
    updated: number,
  ) => {
    const ids = JSON.stringify(Array.from({ length: count }, (_, n) => `${prefix}-${n}`))
    const insert = `INSERT INTO events (event_id, correlation_id, status, created_at, updated_at) SELECT value, 'c', '${status}', ?2, ?3 FROM json_each(?1)`
    await inbox.shardRows(0, insert, ids, created, updated)
    await inbox.shardRows(0, `UPDATE counters SET ${status} = ${status} + ?`, count)
    if (status === 'failed') {
      await inbox.shardRows(
        0,
        "INSERT INTO dead_letters (event_id, reason, failed_at, sent_at, recorded) SELECT value, 'r', ?2, ?2, 1 FROM json_each(?1)",
        ids,
        updated,
      )
      await inbox.db
        .prepare(
          "INSERT INTO dead_letters SELECT value, 'shard-0', 'r', 3, 'c', ?2 FROM json_each(?1)",
        )
        .bind(ids, new Date(updated).toISOString())
        .run()
    }
    const copy = `INSERT INTO events (event_id, payload, status, created_at, updated_at) SELECT value, '{}', '${status}', ?2, ?3 FROM json_each(?1)`
    await inbox.db
      .prepare(copy)
      .bind(ids, new Date(created).toISOString(), new Date(updated).toISOString())
      .run()
  }
  await add('expired', 2_500, 'delivered', daysAgo(9), daysAgo(8))
  await add('late', 3, 'delivered', daysAgo(9), daysAgo(6))
  await add('fresh', 4, 'delivered', daysAgo(6), daysAgo(6))
  await add('waiting', 5, 'pending', daysAgo(90), daysAgo(90))
  await add('failed', 6, 'failed', daysAgo(90), daysAgo(90))
  await inbox.expectVerified()
  expect((await inbox.metrics()).total).toBe(2_518)

  await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })
  await inbox.expectVerified()
  expect(await inbox.metrics()).toMatchObject({ total: 18, delivered: 7, pending: 5, failed: 6 })
  const left = await inbox.db
    .prepare(
      "SELECT substr(event_id, 1, instr(event_id, '-') - 1) AS kind, count(*) AS n FROM events GROUP BY 1 ORDER BY 1",
    )
    .all()
  expect(left.results).toEqual([
    { kind: 'failed', n: 6 },
    { kind: 'fresh', n: 4 },
    { kind: 'late', n: 3 },
    { kind: 'waiting', n: 5 },
  ])
  expect(await inbox.shardRows(0, 'SELECT count(*) AS n FROM events')).toEqual([{ n: 18 }])
  expect((await inbox.get('/inbox/expired-0')).status).toBe(404)
  expect(
    server
      .getLogs()
      .map((line) => line.message)
      .join(),
  ).toContain('"pruned":2500')
})

test('leaves everything alone while RETENTION_DAYS is not a number', async ({ inbox, server }) => {
  await server.update((options) => ({
    ...options,
    workers: [
      { configPath: 'wrangler.jsonc', vars: { SHARD_COUNT: '1', RETENTION_DAYS: 'a week' } },
    ],
  }))
  await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })
  expect(
    server
      .getLogs()
      .map((line) => line.message)
      .join(),
  ).toContain('RETENTION_DAYS is not')
  expect(inbox.url).toBeDefined()
})
