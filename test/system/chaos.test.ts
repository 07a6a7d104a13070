import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { InboxEvent } from '../../client/types'
import { INBOX_OPTIONS, start, withSchema } from '../../bench/runtime'
import { Clients } from '../support/chaos-clients'
import { isExplained, type Operation, tell } from '../support/history'
import { randomOf } from '../support/random'
import { clientOf, type Row } from '../support/world'

/** Of misbehaviour; the recovery comes after them. */
const SECONDS = Number(process.env.CHAOS_SECONDS ?? 12)
const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31))
const CLIENTS = 24
/** SHARD_COUNT, raised twice on the way. */
const ERAS = [2, 3, 5]
/** Few, as an event lives for seconds here. */
const MAX_RETRIES = 2

// D1 really refuses these, until it does not any more.
const REFUSE = `CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.payload ->> 'refuse'
  BEGIN SELECT RAISE(ABORT, 'refused'); END`.replaceAll('\n', ' ')

interface Recount {
  shard: string
  counters: Record<string, number>
  rows: Record<string, number>
}

interface Sums {
  accepted_total: number
  stored_total: number
  delivered_total: number
}

async function chaoticInbox() {
  // Objects crash here, not the machine: nothing has to reach a disk, which would be slow.
  if (existsSync('/dev/shm')) vi.stubEnv('TMPDIR', '/dev/shm')
  const { assets: _, ...options } = INBOX_OPTIONS
  const bindings = { ...options.bindings, MAX_RETRIES: String(MAX_RETRIES) }
  const worker = await start('chaos', 'test/support/chaos-worker.ts', { ...options, bindings })
  onTestFinished(() => worker.stop())
  await withSchema(worker)
  const db = await worker.database()
  await db.exec(REFUSE)
  const control = async <Answer>(path: string): Promise<Answer> => {
    const response = await fetch(new URL(`/chaos${path}`, worker.url), {
      signal: AbortSignal.timeout(60_000),
    }).catch((error) => {
      throw new Error(`${path}: ${error}`)
    })
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
    return (await response.json()) as Answer
  }
  return { ...clientOf(worker.url), db, control }
}

type ChaoticInbox = Awaited<ReturnType<typeof chaoticInbox>>

/** In each shard the counters are what its rows come to: asked in one turn, so at every instant. */
async function expectCounted({ control }: ChaoticInbox): Promise<void> {
  const answered = (await control<(Recount | null)[]>('/recount')).filter((each) => each !== null)
  for (const { shard, counters, rows } of answered)
    expect({ shard, ...counters }).toEqual({ shard, ...rows })
}

/** What happens to the platform while clients work, beside what each call meets. */
async function trouble(inbox: ChaoticInbox, clients: Clients, isOver: () => boolean) {
  const random = randomOf(SEED)
  const done = { outages: 0, crashes: 0, prunings: 0, recounts: 0 }
  const began = performance.now()
  for (let era = 0; !isOver();) {
    await setTimeout(random() * 300)
    const dice = random()
    if (performance.now() - began > ((era + 1) / ERAS.length) * SECONDS * 1_000)
      await inbox.control(`?shards=${ERAS[++era] ?? ERAS.at(-1)}`)
    else if (dice < 0.15) {
      done.outages++
      await inbox.db.exec('ALTER TABLE events RENAME TO events_away')
      await setTimeout(random() * 800)
      await inbox.db.exec('ALTER TABLE events_away RENAME TO events')
    } else if (dice < 0.5) {
      done.crashes++
      await inbox.control(`/crash?shard=${Math.floor(random() * (ERAS[era] ?? 1))}`)
    } else if (dice < 0.6) {
      done.prunings++
      await clients.prune(() => inbox.control('/tend?days=0'))
    } else {
      done.recounts++
      await expectCounted(inbox)
    }
  }
  return done
}

/** Nothing fails any more, but for what D1 refuses. Resolves once D1 and the queue were told of all that they take. */
async function recover(inbox: ChaoticInbox, isRefusing: boolean): Promise<void> {
  await inbox.control('?level=0')
  // What backs off in memory begins anew.
  for (let shard = 0; shard < Math.max(...ERAS); shard++)
    await inbox.control(`/crash?shard=${shard}`)
  const left = async () => {
    await inbox.control('/tend')
    const shards = await inbox.control<{ undecided: number; commits: number }[]>('/hurry')
    const behind = Math.max(...shards.map(({ commits }) => commits))
    // Once nothing is in a journal, nothing more becomes undecided, and then nothing more fails.
    const undecided = Math.max(...shards.map((shard) => shard.undecided))
    const { failed, queue_depth } = await inbox.metrics()
    const unrecorded = failed - (await lettersOf(inbox)).length
    return { behind, undecided, unrecorded, queue_depth: isRefusing ? 0 : queue_depth }
  }
  const none = { behind: 0, undecided: 0, unrecorded: 0, queue_depth: 0 }
  await expect.poll(left, { timeout: 120_000, interval: 200 }).toEqual(none)
}

async function lettersOf({ db }: ChaoticInbox): Promise<string[]> {
  const { results } = await db.prepare('SELECT event_id FROM letters').all<Row>()
  return results.map(({ event_id }) => event_id).toSorted()
}

const stateOf = ({ status, retry_count }: InboxEvent | Row, payload: unknown) => ({
  status,
  retry_count,
  payload: JSON.stringify(payload).slice(0, 60),
})

/** D1 has each event as its shard has it, and no other; so with dead letters, also when all of them come again. */
async function expectStored(inbox: ChaoticInbox, clients: Clients, isRefused: boolean) {
  const held = new Map<string, InboxEvent>()
  for (const id of clients.histories.ids()) {
    const event = await clients.read(id)
    if (event) held.set(id, event)
  }
  const { results } = await inbox.db.prepare('SELECT * FROM events').all<Row>()
  const stored = new Map(
    results.map((row) => [row.event_id, stateOf(row, JSON.parse(row.payload))]),
  )
  const expected = [...held].filter(([id]) => !(isRefused && id.startsWith('refused')))
  expect(stored).toEqual(
    new Map(expected.map(([id, event]) => [id, stateOf(event, event.payload)])),
  )
  const failed = [...held.values()].filter(({ status }) => status === 'failed')
  const ids = failed.map(({ event_id }) => event_id).toSorted()
  expect(await lettersOf(inbox)).toEqual(ids)
  await inbox.control('/redeliver')
  expect(await lettersOf(inbox)).toEqual(ids)
  expect(await inbox.verify()).toMatchObject({ differences: [] })
  await expectCounted(inbox)
}

function expectExplained(clients: Clients): void {
  const wrong: Operation[][] = []
  for (const id of clients.histories.ids()) {
    const history = clients.histories.of(id)
    if (!isExplained(history)) wrong.push(history)
  }
  expect(wrong.map(tell).join('\n\n')).toBe('')
}

test(
  `nothing is lost, doubled or miscounted by a platform that misbehaves for ${SECONDS} s`,
  async () => {
    const repeat = `CHAOS_SEED=${SEED} CHAOS_SECONDS=${SECONDS} npx vitest run test/system/chaos.test.ts`
    console.info(`repeat with: ${repeat}`)
    const inbox = await chaoticInbox()
    const clients = new Clients(inbox, randomOf(SEED + 1), MAX_RETRIES)
    await inbox.control(`?seed=${SEED}&level=1`)
    const until = performance.now() + SECONDS * 1_000
    const isOver = () => performance.now() > until
    const lane = async () => {
      while (!isOver()) await clients.act()
    }
    const [done] = await Promise.all([
      trouble(inbox, clients, isOver),
      ...Array.from({ length: CLIENTS }, lane),
    ])
    const faults = await inbox.control<object>('?level=0')
    console.info({ ...done, ...faults }, clients.answers, clients.tally)

    await recover(inbox, true)
    await clients.settle()
    await expectStored(inbox, clients, true)
    await inbox.db.exec('DROP TRIGGER refuse')
    await clients.redriveAll({ all: true })
    await recover(inbox, false)
    await expectStored(inbox, clients, false)
    expect(await inbox.metrics()).toMatchObject({ queue_depth: 0, failed: 0 })
    expectExplained(clients)

    const shards = await inbox.control<Sums[]>('/sums')
    const sum = (what: keyof Sums) => shards.reduce((total, shard) => total + shard[what], 0)
    const { posts, lostPosts, acks, lostAcks } = clients.tally
    const within = (total: number, least: number, more: number) =>
      expect({
        total,
        least,
        more,
        isWithin: total >= least && total <= least + more,
      }).toMatchObject({
        isWithin: true,
      })
    within(sum('accepted_total'), posts, lostPosts)
    within(sum('delivered_total'), acks, lostAcks)
    expect(sum('stored_total')).toBeLessThanOrEqual(sum('accepted_total'))
  },
  SECONDS * 1_000 + 180_000,
)
