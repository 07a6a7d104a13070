import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { MIGRATIONS } from '../../objects/store/tables'
import { openFile, startServer, storageFolder } from '../support/server-process'
import { idOf, shardOf } from '../support/shards'

/** The first entries of MIGRATIONS: those of the last version that kept no SHARD_COUNT. */
const BEFORE_COUNTS = 6

/** Makes a database that of a shard of the version with so many entries. */
function makeOld(database: DatabaseSync, entries = BEFORE_COUNTS): void {
  database.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY NOT NULL)')
  for (const [version, statements] of MIGRATIONS.slice(0, entries).entries()) {
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
  expect(database.prepare('SELECT 1 FROM dead_letters').all()).toEqual([])
})

const shardFiles = (folder: string) => join(folder, 'v3/do/event-inbox-EventShard')

/** The file of each shard of 8, found by the event in it. */
function filesOf(folder: string): string[] {
  const files: string[] = []
  for (const name of readdirSync(shardFiles(folder))) {
    if (!/^[0-9a-f]{64}\.sqlite$/.test(name)) continue
    const database = openFile(join(shardFiles(folder), name))
    const id = database.prepare('SELECT event_id FROM events').get()?.event_id
    files[shardOf(String(id), 8)] = join(shardFiles(folder), name)
    database.close()
  }
  return files
}

function empty(database: DatabaseSync): void {
  const tables = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*'")
    .all()
  for (const { name } of tables) database.exec(`DROP TABLE "${name}"`)
}

/** Sets a shard back to the version that kept no SHARD_COUNT, with one event or none. */
function setBack(file: string, event_id: string | null): void {
  const database = openFile(file)
  empty(database)
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

/** The entries of the last version without subscriptions. */
const BEFORE_SUBSCRIPTIONS = MIGRATIONS.findIndex((each) => each.includes('CREATE TABLE ready'))

/** Sets a shard back to that version, with the events that it has. */
function forgetSubscriptions(file: string): void {
  const database = openFile(file)
  database.exec('CREATE TEMP TABLE held AS SELECT * FROM events')
  const { clock, run } = database.prepare('SELECT clock, run FROM counters').get() ?? {}
  empty(database)
  makeOld(database, BEFORE_SUBSCRIPTIONS)
  database.exec(`
    INSERT INTO events (event_id, status, created_at, updated_at, correlation_id, nacks)
      SELECT event_id, status, created_at, updated_at, correlation_id, event_id = 'nacked' FROM held;
    INSERT INTO dead_letters (event_id, reason, failed_at, sent_at, recorded)
      SELECT event_id, 'r', updated_at, 1, 1 FROM held WHERE status = 'failed';
    UPDATE counters SET clock = ${Number(clock)}, run = ${Number(run)},
      pending = (SELECT count(*) FROM held WHERE status = 'pending'),
      delivered = (SELECT count(*) FROM held WHERE status = 'delivered'),
      failed = (SELECT count(*) FROM held WHERE status = 'failed');
    DELETE FROM shard_counts;
    INSERT INTO shard_counts VALUES (1)`)
  database.close()
}

test('events of a version that had no subscriptions can be claimed, each once, and count from the first moment', async () => {
  const folder = storageFolder()
  const start = () => startServer(folder, ['--var', 'SHARD_COUNT:1', '--var', 'MAX_RETRIES:2'])
  const first = await start()
  const ids = Array.from({ length: 1_100 }, (_, n) => `old-${n}`)
  for (const from of [0, 550])
    await first.post(ids.slice(from, from + 550).map((event_id) => ({ event_id, payload: {} })))
  for (const id of ['nacked', 'failed', 'acked']) await first.postId(id)
  await first.ack('acked')
  await first.nack('failed')
  await first.nack('failed')
  await first.drained()
  await expect.poll(() => first.deadLetters()).toHaveLength(1)
  await first.stop()
  const [file = ''] = readdirSync(shardFiles(folder))
    .filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    .map((name) => join(shardFiles(folder), name))
  forgetSubscriptions(file)

  const server = await start()
  expect(await server.subscription()).toMatchObject({ open: 1_101, ready: 1_101 })
  await server.postId('new')
  const claimed: string[] = []
  for (;;) {
    const { body } = await server.claim({ limit: 100, lease_seconds: 3_600 })
    if (!body.lease) break
    claimed.push(...body.data.map(({ event_id }) => event_id))
    const nacked = body.data.find(({ event_id }) => event_id === 'nacked')
    if (!nacked) continue
    // One nack of before counts: this is the second.
    expect(nacked.attempt).toBe(2)
    const settled = await server.settle(body.lease.token, { nack: [{ event_id: 'nacked' }] })
    expect(settled.body.data).toEqual([{ event_id: 'nacked', status: 'failed' }])
  }
  expect(claimed.toSorted()).toEqual([...ids, 'nacked', 'new'].toSorted())
  expect((await server.retry('failed')).status).toBe(200)
  const again = await server.claim()
  expect(again.body.data).toMatchObject([{ event_id: 'failed', attempt: 1 }])
  expect(await server.verify()).toMatchObject({ verified: true, not_claimable_yet: 0 })
  await server.stop()
}, 120_000)

test('what a version without subscriptions did after a rollback is found, counted and claimed', async () => {
  const folder = storageFolder()
  const filters = [
    { name: 'billing', filter: { 'payload.type': 'invoice' } },
    { name: 'audit', filter: { 'metadata.audit': true } },
  ]
  const flags = ['SHARD_COUNT:1', 'MAX_RETRIES:2', `SUBSCRIPTIONS:${JSON.stringify(filters)}`]
  const start = () =>
    startServer(
      folder,
      flags.flatMap((flag) => ['--var', flag]),
    )
  const first = await start()
  const payload = { type: 'invoice' }
  for (const event_id of ['kept', 'acked', 'failed', 'retried'])
    await first.post({ event_id, payload })
  await first.post({ event_id: 'twice', payload, metadata: { audit: true } })
  for (const id of ['plain', 'held', 'accepted']) await first.postId(id)
  for (const id of ['retried', 'twice'])
    for (let nacks = 0; nacks < 2; nacks++)
      await first.call('POST', `/inbox/${id}/nack`, { subscription: 'billing' })
  expect((await first.claim({ limit: 1 })).body.data).toMatchObject([{ event_id: 'plain' }])
  await first.drained()
  await expect.poll(() => first.deadLetters()).toHaveLength(2)
  await first.stop()

  // As that version would have written it: an ack, the last nack, a retry, one that failed, was retried, and failed
  // again, and an event accepted anew.
  const [file = ''] = readdirSync(shardFiles(folder))
    .filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    .map((name) => join(shardFiles(folder), name))
  const database = openFile(file)
  database.exec(`
    UPDATE counters SET clock = clock + 10, pending = pending - 1, delivered = delivered + 1;
    UPDATE events SET status = 'delivered' WHERE event_id = 'acked';
    UPDATE events SET status = 'failed' WHERE event_id = 'failed';
    UPDATE events SET status = 'pending' WHERE event_id = 'retried';
    INSERT INTO dead_letters (event_id, reason, failed_at)
      SELECT value, 'by then', clock FROM counters, json_each('["failed", "twice"]');
    INSERT INTO journal (seq, accepted, entries, bodies, changes) SELECT clock, 0,
      '[{"op":"change","event_id":"acked"},{"op":"change","event_id":"failed"},{"op":"redrive","event_id":"retried"}]',
      '', 3 FROM counters;
    DELETE FROM ready WHERE subscription = 'inbox';
    UPDATE events SET created_at = created_at WHERE event_id = 'accepted'`)
  database.close()

  const server = await start()
  expect(await server.subscription()).toMatchObject({ open: 4, ready: 4, leased: 0 })
  expect(await server.subscription('billing')).toMatchObject({ open: 1, ready: 1 })
  const claimed = async (subscription: string) => {
    const { body } = await server.claim({ subscription, limit: 100 })
    return body.data.map(({ event_id }) => event_id).toSorted()
  }
  expect(await claimed('inbox')).toEqual(['accepted', 'held', 'plain', 'retried'])
  expect(await claimed('billing')).toEqual(['kept'])
  // D1 has the letter of before still, which no shard has: a comparison takes it out.
  const failed = async () => {
    await server.verify()
    return (await server.deadLetters()).map(({ event_id, reason }) => `${event_id}: ${reason}`)
  }
  await expect
    .poll(async () => (await failed()).toSorted())
    .toEqual(['failed: by then', 'twice: by then'])
  expect(await server.subscription('audit')).toMatchObject({ open: 0 })
  expect(await server.verify()).toMatchObject({ differences: [], not_claimable_yet: 0 })
  const redriven = await server.call('POST', '/dlq/retry', { reason: 'by then' })
  expect(redriven.body.data).toMatchObject({ redriven: 2 })
  expect(await claimed('inbox')).toEqual(['failed', 'twice'])
  await server.stop()
}, 120_000)
