import { describe, expect, onTestFinished, vi } from 'vitest'
import type { WorkerHandle } from 'wrangler'
import { prune } from '../../worker/prune'
import { logLines } from '../support/logs'
import { addPast, DAY_MS, openPast } from '../support/past'
import { shardOf } from '../support/shards'
import { test as base } from '../support/steering'
import { type Inbox, SHARDS } from '../support/world'

const test = base.override('vars', { RETENTION_DAYS: '7' })
const daysAgo = (days: number) => Date.now() - days * DAY_MS
const idsOf = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}-${n}`)
/** As in prune.ts. */
const STEP_EVENTS = 250

async function addExpired(inbox: Inbox, prefix: string, count: number): Promise<string[]> {
  const ids = idsOf(prefix, count)
  await addPast(inbox, ids, 'delivered', daysAgo(9), { updated: daysAgo(8) })
  return ids
}

interface World {
  server: {
    getWorker<Env>(): WorkerHandle<Env>
    getLogs(): { message: string }[]
    clearLogs(): void
  }
}

/** Runs cron. @returns the log lines of the run, parsed */
async function tend({ server }: World): Promise<Record<string, unknown>[]> {
  server.clearLogs()
  const { outcome } = await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })
  expect(outcome).toBe('ok')
  return logLines(server)
}

const prunedOf = (lines: Record<string, unknown>[]) =>
  lines.map(({ pruned }) => Number(pruned ?? 0)).reduce((a, b) => a + b, 0)

const heldIn = async (inbox: Inbox, prefix: string) => {
  const sql = 'SELECT event_id FROM events WHERE event_id LIKE ?'
  const held = await Promise.all(
    Array.from({ length: SHARDS }, (_, shard) => inbox.shardRows(shard, sql, `${prefix}-%`)),
  )
  return held
    .flat()
    .map(({ event_id }) => String(event_id))
    .toSorted()
}

// First of all: the worker has not asked the first shard for anything yet.
for (const silent of [0, 1]) {
  test(`a shard ${silent} that does not answer keeps its own events for another time, and no others`, async ({
    inbox,
    server,
    steer,
  }) => {
    const ids = await addExpired(inbox, `silent${silent}`, 1_200)
    const own = ids.filter((id) => shardOf(id) === silent)
    const silence = ['remove', 'ensureAlarm', 'noteShardCount'].map((call) => [
      `shard-${silent}.${call}`,
      'hold',
    ])
    await steer({ faults: Object.fromEntries(silence) })
    const lines = await tend({ server })
    await steer({ faults: {} })
    expect(prunedOf(lines)).toBe(ids.length - own.length)
    const about = lines.filter(({ shard }) => shard === `shard-${silent}`)
    expect(about).toMatchObject([{ level: 'error', message: expect.stringContaining('pruned') }])
    const left = await heldIn(inbox, `silent${silent}`)
    // What was asked of it once is done when it wakes up.
    expect(left.length).toBeGreaterThanOrEqual(own.length - STEP_EVENTS)
    expect(left.every((id) => shardOf(id) === silent)).toBe(true)
    await tend({ server })
    await expect.poll(() => heldIn(inbox, `silent${silent}`)).toEqual([])
    await inbox.expectVerified()
  })
}

test('removes events delivered more than RETENTION_DAYS ago from shard and D1, and no others', async ({
  inbox,
  server,
}) => {
  await addExpired(inbox, 'expired', 2_500)
  await addPast(inbox, idsOf('late', 3), 'delivered', daysAgo(9), { updated: daysAgo(6) })
  await addPast(inbox, idsOf('fresh', 4), 'delivered', daysAgo(6), { updated: daysAgo(6) })
  await addPast(inbox, idsOf('waiting', 5), 'pending', daysAgo(90), { updated: daysAgo(90) })
  await addPast(inbox, idsOf('failed', 6), 'failed', daysAgo(90), { updated: daysAgo(90) })
  await inbox.expectVerified()
  expect((await inbox.metrics()).total).toBe(2_518)

  expect(prunedOf(await tend({ server }))).toBe(2_500)
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
  expect(await heldIn(inbox, '%')).toHaveLength(18)
  expect((await inbox.get('/inbox/expired-0')).status).toBe(404)
  // The next run has nothing to do, and says nothing.
  expect(prunedOf(await tend({ server }))).toBe(0)
})

test('goes on page by page, past pages of which nothing may go', async ({ inbox, server }) => {
  await addPast(inbox, idsOf('old', 6_000), 'delivered', daysAgo(10), { updated: daysAgo(6) })
  await addExpired(inbox, 'behind', 21_000)
  expect(prunedOf(await tend({ server }))).toBe(21_000)
  expect(await heldIn(inbox, 'old')).toHaveLength(6_000)
  expect(await heldIn(inbox, 'behind')).toEqual([])
  await inbox.expectVerified()
}, 120_000)

describe('in a shard', () => {
  /** Expired events of one shard. */
  const addOwn = async (inbox: Inbox, prefix: string) => {
    const own = (await addExpired(inbox, prefix, 1_300)).filter((id) => shardOf(id) === 0)
    expect(own.length).toBeGreaterThan(2 * STEP_EVENTS)
    return own
  }

  test('removes no more before D1 was told of what was removed', async ({
    inbox,
    server,
    steer,
  }) => {
    const own = await addOwn(inbox, 'told')
    await steer({ faults: { 'shard-0.flush': 'hold' } })
    await tend({ server })
    expect(await heldIn(inbox, 'told')).toHaveLength(own.length - STEP_EVENTS)
    await steer({ faults: {} })
    await tend({ server })
    expect(await heldIn(inbox, 'told')).toEqual([])
  })

  test('leaves as much time to others as it takes', async ({ inbox, server, steer }) => {
    const own = await addOwn(inbox, 'slow')
    const steps = Math.ceil(own.length / STEP_EVENTS)
    await steer({ faults: { 'shard-0.remove': 'slow', 'shard-0.flush': 'slow' } })
    const startedAt = performance.now()
    await tend({ server })
    expect(performance.now() - startedAt).toBeGreaterThan(steps * 2 * 400)
    expect(await heldIn(inbox, 'slow')).toEqual([])
  })
})

test('two runs at once remove each event once', async ({ inbox, server }) => {
  await addExpired(inbox, 'twice', 3_000)
  server.clearLogs()
  const runs = [1, 2].map(() => server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' }))
  for (const { outcome } of await Promise.all(runs)) expect(outcome).toBe('ok')
  expect(prunedOf(logLines(server))).toBe(3_000)
  await inbox.expectVerified()
  expect(await heldIn(inbox, 'twice')).toEqual([])
})

test('asks the shard when it was delivered: D1 may not have been told of what came since', async ({
  inbox,
  server,
}) => {
  const ids = await addExpired(inbox, 'stale', 3)
  const [pending = '', recent = '', expired = ''] = ids
  for (const [id, status, updated] of [
    [pending, 'pending', daysAgo(8)],
    [recent, 'delivered', daysAgo(1)],
  ] as const) {
    const sql = 'UPDATE events SET status = ?, updated_at = ? WHERE event_id = ?'
    await inbox.shardRows(shardOf(id), sql, status, updated, id)
  }
  await inbox.shardRows(
    shardOf(pending),
    'UPDATE counters SET delivered = delivered - 1, pending = pending + 1',
  )
  const [row] = await inbox.shardRows(
    shardOf(pending),
    'SELECT created_at FROM events WHERE event_id = ?',
    pending,
  )
  await openPast(inbox, shardOf(pending), [pending], Number(row?.created_at))
  expect(prunedOf(await tend({ server }))).toBe(1)
  expect(await heldIn(inbox, 'stale')).toEqual([pending, recent])
  expect((await inbox.get(`/inbox/${expired}`)).status).toBe(404)
  for (const id of [pending, recent]) await inbox.call('DELETE', `/inbox/${id}`)
  await inbox.expectVerified()
})

test('a D1 that does not answer ends the run without harm; the next one prunes', async ({
  inbox,
  server,
}) => {
  await addExpired(inbox, 'away', 10)
  expect(prunedOf(await inbox.withoutD1(() => tend({ server })))).toBe(0)
  expect(await heldIn(inbox, 'away')).toHaveLength(10)
  expect(prunedOf(await tend({ server }))).toBe(10)
})

test('ends before the next run begins, which goes on', async ({ inbox, server, steer }) => {
  await addExpired(inbox, 'long', 1_300)
  await steer({ faults: { remove: 'jump' } })
  const pruned = prunedOf(await tend({ server }))
  expect(pruned).toBeGreaterThan(0)
  expect(pruned).toBeLessThanOrEqual(SHARDS * STEP_EVENTS)
  await steer({ faults: {} })
  expect(prunedOf(await tend({ server }))).toBe(1_300 - pruned)
  await inbox.expectVerified()
})

test('a D1 that never answers is given up after 10 seconds', async () => {
  // Locally D1 cannot be made to hang alone: this stands for the silence, not for D1.
  const statement = { bind: () => statement, all: () => new Promise(() => {}) }
  const DB = { prepare: () => statement }
  const SHARD = { getByName: () => ({ noteShardCount: async () => [2] }) }
  const silent = { DB, SHARD, SHARD_COUNT: '2', RETENTION_DAYS: '7' } as unknown as Env
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let outcome: unknown = 'waiting'
  void prune(silent, Date.now()).then((pruned) => (outcome = pruned))
  await vi.advanceTimersByTimeAsync(9_999)
  expect(outcome).toBe('waiting')
  await vi.advanceTimersByTimeAsync(1)
  expect(outcome).toBe(0)
})

test('removes nothing while RETENTION_DAYS is not a number of days', async ({ inbox, server }) => {
  const ids = await addExpired(inbox, 'kept', 3)
  await server.update((options) => ({
    ...options,
    workers: options.workers.map((worker) =>
      'config' in worker
        ? {
            config: { ...worker.config, vars: { ...worker.config.vars, RETENTION_DAYS: 'a week' } },
          }
        : worker,
    ),
  }))
  const lines = await tend({ server })
  const errors = lines.filter(({ level }) => level === 'error')
  expect(JSON.stringify(errors)).toContain('RETENTION_DAYS')
  const held = `SELECT count(*) AS n FROM events WHERE event_id LIKE 'kept-%'`
  const { DB } = await server.getWorker<Env>().getEnv()
  expect(await DB.prepare(held).first('n')).toBe(ids.length)
  let inShards = 0
  for (let shard = 0; shard < SHARDS; shard++) {
    const worker = server.getWorker<Env>()
    const storage = await worker.getDurableObjectStorage('SHARD', { name: `shard-${shard}` })
    inShards += Number((await storage.exec(held))[0]?.n)
  }
  expect(inShards).toBe(ids.length)
})
