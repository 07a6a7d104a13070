import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { INBOX_OPTIONS, start, withSchema } from '../../bench/runtime'
import { LeaseClients, NAMES } from '../support/lease-clients'
import { type Final, LeaseHistory, type Rules } from '../support/lease-history'
import { randomOf } from '../support/random'
import { clientOf } from '../support/world'

/** Of misbehaviour; the recovery comes after them. */
const SECONDS = Number(process.env.CHAOS_SECONDS ?? 8)
const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31))
const CONSUMERS = 6
const OPERATORS = 3
/** Few, so that much happens to each id. */
const EVENTS = 60
/** SHARD_COUNT, raised on the way. */
const SHARDS = [2, 3]

const MOST_ATTEMPTS: Record<string, number> = { inbox: 4, red: 3, blue: 6 }
const SUBSCRIPTIONS = JSON.stringify(
  NAMES.map((name) => ({
    name,
    ...(name !== 'inbox' && { filter: { 'payload.color': [name, 'both'] } }),
    max_attempts: MOST_ATTEMPTS[name],
    retry_seconds: [0, 1],
  })),
)

/** When the servers' clock jumped: from `start` on it may have been that much further ahead. */
interface Jump {
  start: number
  ms: number
}

async function chaoticInbox() {
  // Objects crash here, not the machine: nothing has to reach a disk, which would be slow.
  if (existsSync('/dev/shm')) vi.stubEnv('TMPDIR', '/dev/shm')
  const { assets: _, ...options } = INBOX_OPTIONS
  const bindings = { ...options.bindings, SUBSCRIPTIONS }
  const main = 'test/support/lease-chaos-worker.ts'
  const worker = await start('leases', main, { ...options, bindings })
  onTestFinished(() => worker.stop())
  await withSchema(worker)
  const db = await worker.database()
  const control = async <Answer>(path: string): Promise<Answer> => {
    const response = await fetch(new URL(`/chaos${path}`, worker.url), {
      signal: AbortSignal.timeout(60_000),
    })
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
    return (await response.json()) as Answer
  }
  return { ...clientOf(worker.url), db, control }
}

type ChaoticInbox = Awaited<ReturnType<typeof chaoticInbox>>

/** What happens to the platform meanwhile, beside what each call meets. */
async function trouble(
  inbox: ChaoticInbox,
  clients: LeaseClients,
  jumps: Jump[],
  isOver: () => boolean,
) {
  const random = randomOf(SEED)
  const done = { outages: 0, crashes: 0, jumps: 0 }
  const began = performance.now()
  for (let isRaised = false; !isOver();) {
    await setTimeout(random() * 300)
    const dice = random()
    if (!isRaised && performance.now() - began > SECONDS * 500) {
      isRaised = true
      await inbox.control(`?shards=${SHARDS[1]}`)
    } else if (dice < 0.15) {
      done.outages++
      await inbox.db.exec('ALTER TABLE events RENAME TO events_away')
      await setTimeout(random() * 800)
      await inbox.db.exec('ALTER TABLE events_away RENAME TO events')
    } else if (dice < 0.4) {
      done.crashes++
      await inbox.control(`/crash?shard=${Math.floor(random() * 3)}`)
    } else if (dice < 0.5) {
      done.jumps++
      const ms = Math.ceil(random() * 3_000)
      jumps.push({ start: performance.now(), ms })
      clients.ahead = await inbox.control(`/jump?ms=${ms}`)
    }
  }
  return done
}

/** Nothing fails any more. Resolves once consumers have worked everything off, and D1 was told. */
async function recover(inbox: ChaoticInbox, clients: LeaseClients): Promise<void> {
  await inbox.control('?level=0')
  // What backs off in memory begins anew, and what was still on its way has landed.
  for (let shard = 0; shard < 3; shard++) await inbox.control(`/crash?shard=${shard}`)
  await setTimeout(7_000)
  const open = async () => {
    const drained = await Promise.all(NAMES.map((name) => clients.drain(name)))
    const subscriptions = await inbox.client.subscriptions()
    return subscriptions.reduce((sum, each) => sum + each.open, 0) + Math.max(...drained)
  }
  await expect.poll(open, { timeout: 30_000, interval: 200 }).toBe(0)
  const behind = async () => {
    await inbox.control('/tend')
    const shards = await inbox.control<{ commits: number }[]>('/hurry')
    return Math.max(...shards.map(({ commits }) => commits))
  }
  await expect.poll(behind, { timeout: 60_000, interval: 200 }).toBe(0)
}

async function finalsOf(inbox: ChaoticInbox, ids: readonly string[]): Promise<Map<string, Final>> {
  const finals = new Map<string, Final>()
  for (const id of ids) {
    const { status, body } = await inbox.get(`/inbox/${id}`)
    expect([200, 404]).toContain(status)
    const found = { n: Number(body.data?.payload?.n), status: body.data?.status }
    finals.set(id, status === 200 ? found : undefined)
  }
  return finals
}

test(
  `no two hold one event, and no old token moves any, on a platform that misbehaves for ${SECONDS} s`,
  async () => {
    const repeat = `CHAOS_SEED=${SEED} CHAOS_SECONDS=${SECONDS} npx vitest run test/system/leases.test.ts`
    console.info(`repeat with: ${repeat}`)
    const inbox = await chaoticInbox()
    const clients = new LeaseClients(inbox, randomOf(SEED + 1), EVENTS)
    await inbox.control(`?shards=${SHARDS[0]}`)
    await inbox.control(`?seed=${SEED}&level=1`)
    const began = performance.now()
    const wallAt = Date.now() - began
    const jumps: Jump[] = []
    const isOver = () => performance.now() > began + SECONDS * 1_000
    const lane = async (act: () => Promise<void>) => {
      while (!isOver()) await act()
    }
    const [done] = await Promise.all([
      trouble(inbox, clients, jumps, isOver),
      ...Array.from({ length: CONSUMERS }, () => lane(() => clients.consume())),
      ...Array.from({ length: OPERATORS }, () => lane(() => clients.operate())),
    ])
    const faults = await inbox.control<object>('?level=0')
    console.info({ ...done, ...faults }, clients.answers, clients.outcomes)
    await recover(inbox, clients)

    const rules: Rules = {
      maxAttempts: (name) => MOST_ATTEMPTS[name] ?? 0,
      maxExpiries: 10,
      // It waits for a second, is held back, and goes to three shards by turns, each held back too.
      claimLandsWithin: 30_000,
      // A shard's own clock is ahead of the wall clock by a millisecond a change, at most.
      shardClockAt: (moment) =>
        wallAt +
        moment +
        500 +
        jumps.reduce((sum, jump) => sum + (jump.start <= moment ? jump.ms : 0), 0),
    }
    const history = new LeaseHistory(clients.happenings, rules)
    expect(history.violations().join('\n')).toBe('')
    expect(history.endings(await finalsOf(inbox, clients.ids)).join('\n')).toBe('')
    expect(await inbox.verify()).toMatchObject({ verified: true, differences: [] })
    for (const { open, ready, leased, scheduled } of await inbox.client.subscriptions())
      expect({ open, ready, leased, scheduled }).toEqual({
        open: 0,
        ready: 0,
        leased: 0,
        scheduled: 0,
      })
  },
  SECONDS * 1_000 + 180_000,
)
