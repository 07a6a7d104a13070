import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { MIGRATIONS } from '../../objects/store/tables'
import { startServer, storageFolder } from '../support/server-process'
import { idOf, shardOf } from '../support/shards'

/** The first entries of MIGRATIONS: those of the last version that kept no SHARD_COUNT. */
const BEFORE_COUNTS = 6

/** Makes a database that of a shard of that version. */
function makeOld(database: DatabaseSync): void {
  database.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  for (const [version, statements] of MIGRATIONS.slice(0, BEFORE_COUNTS).entries()) {
    database.exec(statements)
    database.prepare('INSERT INTO migrations VALUES (?)').run(version)
  }
}

const upgrade = (database: DatabaseSync) => {
  for (const statements of MIGRATIONS.slice(BEFORE_COUNTS)) database.exec(statements)
}

test('a shard of a version that kept no SHARD_COUNT assumes that there were 8, and knows what to delete', () => {
  const database = new DatabaseSync(':memory:')
  makeOld(database)
  database.exec(`
    UPDATE counters SET accepted_total = 3, clock = 900;
    INSERT INTO events (event_id, created_at, updated_at, correlation_id) VALUES ('anew', 500, 500, 'c');
    INSERT INTO parked (event_id, attempts, reason, deletes, clears)
      VALUES ('anew', 1, 'r', 1, 0), ('gone', 1, 'r', 1, 1), ('other', 1, 'r', 0, 0)`)
  upgrade(database)
  expect(database.prepare('SELECT count FROM shard_counts').all()).toEqual([{ count: 8 }])
  expect(
    database.prepare('SELECT event_id, deletes, clears FROM parked ORDER BY event_id').all(),
  ).toEqual([
    { event_id: 'anew', deletes: 500, clears: 0 },
    { event_id: 'gone', deletes: 901, clears: 901 },
    { event_id: 'other', deletes: 0, clears: 0 },
  ])
})

test('it does so where it never accepted an event, and a new shard does not', () => {
  const old = new DatabaseSync(':memory:')
  makeOld(old)
  upgrade(old)
  expect(old.prepare('SELECT count FROM shard_counts').all()).toEqual([{ count: 8 }])

  const fresh = new DatabaseSync(':memory:')
  fresh.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  for (const statements of MIGRATIONS) fresh.exec(statements)
  expect(fresh.prepare('SELECT count FROM shard_counts').all()).toEqual([])
})

/** The first entries of MIGRATIONS: those of the last version that had one dead letter an event. */
const BEFORE_PAIRS = 11

test('dead letters of a version that had one an event are those of the inbox, and counted', () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  for (const statements of MIGRATIONS.slice(0, BEFORE_PAIRS)) database.exec(statements)
  database.exec(`
    INSERT INTO dead_letters VALUES ('told', 'no', 5, 6, 1), ('sent', 'no', 7, 8, 0),
      ('new', 'The database refused the event: it is too large.', 9, NULL, 0);
    INSERT INTO parked (event_id, attempts, reason, clears) VALUES ('parked', 1, 'r', 4);
    UPDATE counters SET failed = 3`)
  for (const statements of MIGRATIONS.slice(BEFORE_PAIRS)) database.exec(statements)
  const letters = database.prepare('SELECT * FROM letters ORDER BY failed_at').all()
  const inbox = { subscription: 'inbox' }
  expect(letters).toMatchObject([
    { ...inbox, event_id: 'told', reason: 'no', failed_at: 5, sent_at: 6, recorded: 1 },
    { ...inbox, event_id: 'sent', failed_at: 7, sent_at: 8, recorded: 0 },
    { ...inbox, event_id: 'new', failed_at: 9, sent_at: null, recorded: 0 },
  ])
  expect(database.prepare('SELECT failed, letters FROM counters').get()).toEqual({
    failed: 3,
    letters: 3,
  })
  expect(database.prepare('SELECT clears, clears_named FROM parked').all()).toEqual([
    { clears: 4, clears_named: null },
  ])
  expect(() => database.prepare('SELECT 1 FROM dead_letters')).toThrow('no such table')
})

const shardFiles = (folder: string) => join(folder, 'v3/do/event-inbox-EventShard')

/** The file of each shard of 8, found by the event in it. */
function filesOf(folder: string): string[] {
  const files: string[] = []
  for (const name of readdirSync(shardFiles(folder))) {
    if (!/^[0-9a-f]{64}\.sqlite$/.test(name)) continue
    const database = new DatabaseSync(join(shardFiles(folder), name))
    const id = database.prepare('SELECT event_id FROM events').get()?.event_id
    files[shardOf(String(id), 8)] = join(shardFiles(folder), name)
    database.close()
  }
  return files
}

/** Sets a shard back to the version that kept no SHARD_COUNT, with one event or none. */
function setBack(file: string, event_id: string | null): void {
  const database = new DatabaseSync(file)
  const tables = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*'")
    .all()
  for (const { name } of tables) database.exec(`DROP TABLE "${name}"`)
  makeOld(database)
  if (event_id !== null) {
    database.exec('UPDATE counters SET accepted_total = 1, pending = 1')
    database
      .prepare(
        "INSERT INTO events (event_id, created_at, updated_at, correlation_id) VALUES (?, 1, 1, 'c')",
      )
      .run(event_id)
  }
  database.close()
}

test('8 shards of an older version are not taken for the 2 of the default, wherever their events are', async () => {
  const folder = storageFolder()
  const ids = Array.from({ length: 8 }, (_, shard) => idOf(shard, 'old', 8))
  const first = await startServer(folder, ['--var', 'SHARD_COUNT:8'])
  for (const id of ids) await first.postId(id)
  await first.drained()
  await first.stop()
  const files = filesOf(folder)
  expect(files).toHaveLength(8)
  // The two that are left never accepted an event; in the other folder the first one was never even called.
  for (const [shard, file] of files.entries()) setBack(file, shard < 2 ? null : (ids[shard] ?? ''))
  const without = storageFolder()
  cpSync(folder, without, { recursive: true })
  for (const suffix of ['', '-wal', '-shm'])
    rmSync(`${files[0]?.replace(folder, without)}${suffix}`, { force: true })

  for (const each of [folder, without]) {
    const server = await startServer(each, ['--var', 'SHARD_COUNT:2'])
    for (const id of ids.slice(1)) {
      const posted = await server.post({ event_id: id, payload: {} })
      expect([id, posted.status, posted.body.code]).toEqual([id, 503, 'NOT_CONFIGURED'])
      const found = await server.get(`/inbox/${id}`)
      expect([id, found.status, found.body.code]).toEqual([id, 503, 'NOT_CONFIGURED'])
    }
    expect((await server.post({ payload: {} })).body.code).toBe('NOT_CONFIGURED')
    expect((await server.get('/inbox')).body.code).toBe('NOT_CONFIGURED')
    await server.stop()
  }
}, 120_000)
