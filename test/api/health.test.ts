import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { createTestHarness, unstable_readConfig } from 'wrangler'
import { EACH_TABLE } from '../../d1/reader'
import { applySchema, FIRST_COLUMNS } from '../support/schema'
import type { Steering } from '../support/steered-worker'
import { STEERED_WORKER, steerAt } from '../support/steering'
import { clientOf, inParallel } from '../support/world'

async function start(main = 'worker.ts') {
  const config = unstable_readConfig({ config: 'wrangler.jsonc' })
  const server = createTestHarness({ workers: [{ config: { ...config, main } as never }] })
  onTestFinished(() => server.close())
  const inbox = clientOf((await server.listen()).url)
  const { DB } = await server.getWorker<Env>().getEnv()
  return { server, inbox, db: DB }
}

test('without tables, events are accepted and kept, a listing is a 503, and the log says what to do', async () => {
  const { server, inbox, db } = await start()
  await inbox.postId('early')
  expect((await inbox.event('early')).payload).toEqual({ event_id: 'early' })
  for (const path of ['/inbox', '/inbox?consistency=eventual', '/dlq', '/health?ready=1']) {
    const { status, body, text } = await inbox.get(path)
    expect([path, status, body.code]).toEqual([path, 503, 'NOT_CONFIGURED'])
    expect(text).not.toMatch(/table|SQLITE|D1/)
  }
  expect((await inbox.get('/metrics')).status).toBe(200)
  expect((await inbox.get('/health')).status).toBe(200)
  const advice = () => server.getLogs().filter(({ message }) => message.includes('schema.sql'))
  await expect.poll(advice).toHaveLength(1)
  expect(advice()[0]?.message).toContain('npm run schema')
  await applySchema(db)
  await inbox.drained()
  const { data } = await inbox.client.list()
  expect(data.map(({ event_id }) => event_id)).toEqual(['early'])
  await expect.poll(async () => (await inbox.get('/health?ready=1')).status).toBe(200)
}, 90_000)

test('readiness needs no token, names nothing of the inside, and is found out once for all who ask', async () => {
  const { inbox, db } = await start(STEERED_WORKER)
  await applySchema(db)
  const { url } = inbox
  const ready = async () => {
    const response = await fetch(new URL('/health?ready=1', url))
    return { status: response.status, text: await response.text() }
  }
  const asked = async () => (await steerAt(url, {})).queries
  expect((await ready()).status).toBe(200)
  const before = await asked()
  const startedAt = Date.now()
  await inParallel(200, 20, async () => expect((await ready()).status).toBe(200))
  // Every five seconds at most, however slow this machine is.
  const most = () => 2 + (Date.now() - startedAt) / 5_000
  expect((await asked()) - before).toBeLessThan(most())
  // Also at the moment when the answer is no longer fresh, and all ask at once.
  await steerAt(url, { readMs: 300 })
  const fresh = await asked()
  do await inParallel(40, 40, async () => expect((await ready()).status).toBe(200))
  while ((await asked()) === fresh)
  expect((await asked()) - before).toBeLessThan(most())
  await steerAt(url, { readMs: 0 })
  const silences: [name: string, Partial<Steering>][] = [
    ['database', { hold: ['reads'] }],
    ['shard', { faults: { noteShardCount: 'hold' } }],
  ]
  for (const [name, silence] of silences) {
    await steerAt(url, silence)
    await expect.poll(async () => (await ready()).status, { timeout: 30_000 }).toBe(503)
    expect(JSON.parse((await ready()).text)).toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringContaining(`${name} does not answer`),
    })
    expect((await ready()).text).not.toMatch(/D1|SQLITE|shard-\d|no answer within/)
    await steerAt(url, null)
    await expect.poll(async () => (await ready()).status, { timeout: 30_000 }).toBe(200)
  }
}, 120_000)

test('readiness asks for every table of the schema, and every column that came later', () => {
  const schema = readFileSync('schema.sql', 'utf8')
  const tables = [...schema.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)].map(([, name]) => name)
  expect(tables.length).toBeGreaterThan(2)
  for (const table of tables) {
    const database = new DatabaseSync(':memory:')
    database.exec(schema)
    expect(() => database.prepare(EACH_TABLE)).not.toThrow()
    database.exec(`DROP TABLE ${table}`)
    expect(() => database.prepare(EACH_TABLE)).toThrow(`no such table: ${table}`)
  }
  const database = new DatabaseSync(':memory:')
  database.exec(schema)
  const columns = database.prepare("SELECT name FROM pragma_table_info('events')").all()
  for (const { name } of columns.slice(FIRST_COLUMNS.split(', ').length)) {
    database.exec(`ALTER TABLE events DROP COLUMN ${name}`)
    expect(() => database.prepare(EACH_TABLE)).toThrow(`no such column: ${name}`)
    database.exec(`ALTER TABLE events ADD COLUMN ${name} TEXT`)
  }
})

test('readiness is answered in time also while D1 says nothing', async () => {
  const { inbox } = await start(STEERED_WORKER)
  await steerAt(inbox.url, { hold: ['reads'] })
  const startedAt = Date.now()
  expect((await inbox.get('/health?ready=1')).status).toBe(503)
  // A listing waits for ten seconds.
  expect(Date.now() - startedAt).toBeLessThan(8_000)
}, 60_000)

test('a misspelt or unknown parameter of /health is refused, so that nobody takes it for ready', async () => {
  const { inbox } = await start()
  for (const query of ['redy=1', 'ready=true', 'ready=', 'ready=1&ready=1']) {
    const { status, body } = await inbox.get(`/health?${query}`)
    expect([query, status, body.code]).toEqual([query, 400, 'INVALID_PARAMETER'])
  }
})
