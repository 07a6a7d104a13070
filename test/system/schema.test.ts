import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { writeStatements } from '../../d1/writer'
import type { Filter } from '../../client/types'
import { applySchema } from '../../scripts/apply-schema'
import { logged } from '../support/logs'
import { openFile, startServer, storageFolder } from '../support/server-process'
import { FIRST_COLUMNS } from '../support/schema'
import { test as withInbox } from '../support/world'

/** A worker and a schema of two versions, in either order, and how a database of before gets its columns. */

const LATER = ['correlation_id', 'subscriptions']
const OLD = LATER.map((column) => `ALTER TABLE events DROP COLUMN ${column}`)
const NEW = LATER.map((column) => `ALTER TABLE events ADD COLUMN ${column} TEXT`)

withInbox(
  'a worker on the schema of before keeps what comes in, says what to do, and goes on once it is done',
  async ({ inbox, server }) => {
    await inbox.postId('before')
    await inbox.drained()
    const alter = (statements: string[]) =>
      inbox.db.batch(statements.map((each) => inbox.db.prepare(each)))
    await alter(OLD)
    server.clearLogs()
    const posted = await inbox.call(
      'POST',
      '/events',
      { event_id: 'during', payload: {} },
      { 'X-Correlation-ID': 'trace' },
    )
    expect(posted.status).toBe(202)
    expect((await inbox.ack('before')).status).toBe(200)
    expect(await inbox.client.list()).toMatchObject({
      total: 2,
      unstored: 1,
      data: [{ event_id: 'before' }],
    })
    const advice = () =>
      logged(server, 'D1 lacks tables or columns of schema.sql: apply it with "npm run schema"')
    await expect.poll(advice).toHaveLength(1)
    const missing = await inbox.get('/inbox?correlation_id=trace')
    expect([missing.status, missing.body.code]).toEqual([503, 'NOT_CONFIGURED'])
    expect((await inbox.get('/health?ready=1')).status).toBe(503)
    expect(await inbox.deadLetters()).toEqual([])

    await alter(NEW)
    await inbox.drained()
    const ids = async (filter: Filter) =>
      (await inbox.client.list(filter)).data.map(({ event_id }) => event_id)
    await expect.poll(() => ids({ correlation_id: 'trace' })).toEqual(['during'])
    expect(await ids({ status: 'delivered' })).toEqual(['before'])
    await inbox.expectVerified()
  },
  60_000,
)

test('a worker of the version before works on the schema of now, and this one on what it wrote', () => {
  const database = new DatabaseSync(':memory:')
  database.exec(readFileSync('schema.sql', 'utf8'))
  database.exec("INSERT INTO fences VALUES ('s', 1)")
  // As that version wrote it.
  const before = `
    INSERT INTO events (${FIRST_COLUMNS})
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM json_each(?3) AS new
    WHERE (SELECT tick FROM fences WHERE shard = ?1) = ?2 AND NOT EXISTS (
      SELECT 1 FROM events WHERE event_id = new.value ->> 0 AND created_at = new.value ->> 4)`
  const at = '1970-01-01T00:00:00.005Z'
  database.prepare(before).run('s', 1, JSON.stringify([['a', '{}', null, 'pending', at, at, 0]]))
  const insert = {
    event_id: 'a',
    payload: '{}',
    metadata: null,
    status: 'delivered',
    created_at: 5,
    updated_at: 9,
    retry_count: 1,
    correlation_id: 'c',
    subscriptions: null,
  } as const
  const change = { event_id: 'a', deleteBefore: 0, clearBefore: 0, clearNamed: [] }
  const told = writeStatements({ shard: 's', tick: 2 }, [{ ...change, insert, update: insert }])
  for (const { sql, values } of told) database.prepare(sql).all(...values)
  expect(database.prepare('SELECT * FROM events').all()).toMatchObject([
    { event_id: 'a', status: 'delivered', retry_count: 1, correlation_id: null },
  ])
})

/** The SQLite file of the D1 in a storage folder. */
function databaseIn(folder: string): DatabaseSync {
  const databases = join(folder, 'v3/d1/miniflare-D1DatabaseObject')
  const [name = ''] = readdirSync(databases).filter((each) => /^[0-9a-f]{64}\.sqlite$/.test(each))
  return openFile(join(databases, name))
}

test('`npm start` gives the D1 of a version before what it lacks, and keeps what it has', async () => {
  const folder = storageFolder()
  const first = await startServer(folder)
  await first.postId('kept')
  await first.drained()
  await first.stop()
  const database = databaseIn(folder)
  for (const statement of [...OLD, 'DROP TABLE letters']) database.exec(statement)
  database.close()

  const server = await startServer(folder)
  await server.call(
    'POST',
    '/events',
    { event_id: 'new', payload: {} },
    { 'X-Correlation-ID': 'trace' },
  )
  const found = await server.client.list({ correlation_id: 'trace' })
  expect(found).toMatchObject({ total: 1, data: [{ event_id: 'new' }] })
  const all = await server.client.list({ subscription: 'inbox' })
  expect(all.data.map(({ event_id }) => event_id)).toEqual(['new', 'kept'])
  expect((await server.get('/health?ready=1')).status).toBe(200)
  await server.stop()
}, 120_000)

test('the schema is applied as often as one likes, and says what it added', () => {
  const folder = storageFolder()
  const target = ['--local', '--persist-to', folder]
  expect(applySchema(target)).toEqual([])
  const database = databaseIn(folder)
  database.exec(OLD[1] ?? '')
  database.close()
  expect(applySchema(target)).toEqual(['events.subscriptions'])
  expect(applySchema(target)).toEqual([])
  expect(() => applySchema([...target, '--no-such-flag'])).toThrow('such-flag')
}, 60_000)
