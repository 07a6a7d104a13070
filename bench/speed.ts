/**
 * How fast the inbox is, as ratios in one run: against the most that the runtime could do (`ceiling.ts`), and against what such inboxes
 * are often built of (`peer.ts`). Prints tables, which `results.md` keeps. Takes about six minutes. `-- --rounds 1 --seconds 2 --sustain 10 --rows 1000` takes one.
 */
import { parseArgs } from 'node:util'
import {
  INBOX_OPTIONS,
  load,
  machine,
  median,
  percentile,
  type Running,
  start,
  until,
  withSchema,
} from './runtime.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    sustain: { type: 'string', default: '70' },
    rows: { type: 'string', default: '100000' },
  },
})
const ROUNDS = Number(flags.rounds)
const SECONDS = Number(flags.seconds)
const HEADERS = { Authorization: 'Bearer dev-token', 'Content-Type': 'application/json' }
const EVENT = JSON.stringify({
  payload: { order: 17, customer: 'c-1029', amount: 12.5, items: [{ sku: 'a-1', count: 2 }] },
  metadata: { source: 'shop', type: 'order.paid' },
})
const batchOf = (events: number) => `[${Array(events).fill(EVENT).join(',')}]`

const post = async ({ url }: Running, body: string) => {
  const response = await fetch(new URL('/events', url), { method: 'POST', headers: HEADERS, body })
  if (response.status !== 202) throw new Error(await response.text())
  const { data } = (await response.json()) as { data: { event_id: string } }
  return data.event_id
}
const get = async ({ url }: Running, path: string) => {
  const response = await fetch(new URL(path, url), { headers: HEADERS })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as { data: { queue_depth: number; total: number } }
}
const drained = (inbox: Running) =>
  until(async () => (await get(inbox, '/metrics')).data.queue_depth === 0)
const rowsOf = async (worker: Running) =>
  Number(await (await worker.database()).prepare('SELECT count(*) AS n FROM events').first('n'))
const timed = async (work: () => Promise<unknown>) => {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
const table = (rows: string[][]) => {
  const [head = [], ...body] = rows
  for (const row of [head, head.map(() => '---'), ...body]) console.log(`| ${row.join(' | ')} |`)
  console.log()
}
const spread = (values: number[], digits = 0) =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`
const met = (holds: boolean) => (holds ? 'yes' : '**no**')

/** Load for a while, then until everything is in D1. @returns what was accepted, and stored, a second */
async function measure(
  worker: Running,
  body: string,
  events: number,
  stored: (rows: number) => Promise<unknown>,
) {
  const before = await rowsOf(worker)
  const startedAt = performance.now()
  const answers = await load(worker.url, body, SECONDS)
  const drainMs = await timed(() => stored(before + answers.answered * events))
  const rows = (await rowsOf(worker)) - before
  const storedRate = (rows / (performance.now() - startedAt)) * 1_000
  return { ...answers, accepted: answers.rate * events, stored: storedRate, drainMs, rows }
}

const shape = {
  assets: INBOX_OPTIONS.assets,
  durableObjects: { SHARD: { className: 'Empty', useSQLite: true } },
}
const ceiling = await start('ceiling', 'bench/ceiling.ts', shape)
const bare = await start('bare', 'bench/ceiling.ts', { ...shape, assets: undefined })
const inbox = await withSchema(await start('inbox', 'worker.ts', INBOX_OPTIONS))
const inboxBare = await withSchema(
  await start('inbox-bare', 'worker.ts', { ...INBOX_OPTIONS, assets: undefined }),
)
const batches = await withSchema(await start('batches', 'worker.ts', INBOX_OPTIONS))
const peer = await withSchema(
  await start('peer', 'bench/peer.ts', {
    d1Databases: ['DB'],
    kvNamespaces: ['COUNTERS'],
    queueProducers: { QUEUE: { queueName: 'events' } },
    queueConsumers: { events: { maxBatchSize: 100, maxBatchTimeout: 1 } },
    workflows: { STORE: { name: 'store-event', className: 'StoreEvent' } },
  }),
)

console.log(`# What \`npm run bench\` printed

On ${machine()}. ${ROUNDS} rounds of ${SECONDS} s each, the workers in turn, 64 connections; figures are the median (and the range).

`)

// Throughput. The first round warms up.
type Round = Record<'ceiling' | 'bare', Awaited<ReturnType<typeof load>>> &
  Record<'inbox' | 'inboxBare' | 'batches' | 'peer', Awaited<ReturnType<typeof measure>>>
const rounds: Round[] = []
for (let round = 0; round <= ROUNDS; round++) {
  const result: Round = {
    ceiling: await load(ceiling.url, EVENT, SECONDS),
    inbox: await measure(inbox, EVENT, 1, () => drained(inbox)),
    bare: await load(bare.url, EVENT, SECONDS),
    inboxBare: await measure(inboxBare, EVENT, 1, () => drained(inboxBare)),
    batches: await measure(batches, batchOf(100), 100, () => drained(batches)),
    // It goes on storing for long after: as much again as it was loaded is enough to see how fast.
    peer: await measure(peer, EVENT, 1, async (rows) => {
      await until(async () => (await rowsOf(peer)) >= rows, SECONDS * 1_000).catch(() => {})
    }),
  }
  if (round > 0) rounds.push(result)
}
table([
  [
    'In one run, 64 connections',
    'answers a second',
    'p50, ms',
    'p99, ms',
    'stored a second',
    'journal empty after, ms',
  ],
  ...(['ceiling', 'inbox', 'bare', 'inboxBare', 'batches', 'peer'] as const).map((name) => [
    {
      ceiling: 'ceiling',
      inbox: 'inbox',
      bare: 'ceiling, no assets',
      inboxBare: 'inbox, no assets',
      batches: 'inbox, batches of 100',
      peer: 'peer',
    }[name],
    spread(rounds.map((each) => each[name].rate)),
    spread(rounds.map((each) => each[name].p50)),
    spread(rounds.map((each) => each[name].p99)),
    ...(name === 'ceiling' || name === 'bare'
      ? ['–', '–']
      : [
          spread(rounds.map((each) => each[name].stored)),
          name === 'peer' ? '–' : spread(rounds.map((each) => each[name].drainMs)),
        ]),
  ]),
])
const ratio = (of: (round: Round) => number) => rounds.map(of)
const ratios: [string, number[], string, (value: number) => boolean][] = [
  [
    'requests a second: inbox to ceiling',
    ratio((r) => r.inbox.rate / r.ceiling.rate),
    '≥ 0.8',
    (v) => v >= 0.8,
  ],
  [
    'the same without the assets in front of both',
    ratio((r) => r.inboxBare.rate / r.bare.rate),
    '≥ 0.8',
    (v) => v >= 0.8,
  ],
  ['p99: inbox to ceiling', ratio((r) => r.inbox.p99 / r.ceiling.p99), '≤ 2', (v) => v <= 2],
  [
    'accepted a second: inbox to peer, neither with assets',
    ratio((r) => r.inboxBare.accepted / r.peer.accepted),
    '≥ 2',
    (v) => v >= 2,
  ],
  [
    'stored a second: inbox to peer, neither with assets',
    ratio((r) => r.inboxBare.stored / r.peer.stored),
    '≥ 20',
    (v) => v >= 20,
  ],
  [
    'stored a second: batches of 100 to single posts',
    ratio((r) => r.batches.stored / r.inbox.stored),
    '≥ 12',
    (v) => v >= 12,
  ],
  ['journal empty after the load, ms', ratio((r) => r.inbox.drainMs), '≤ 1000', (v) => v <= 1_000],
]
table([
  ['Ratio', 'median (range)', 'target', 'met'],
  ...ratios.map(([name, each, target, holds]) => [
    name,
    spread(each, 2),
    target,
    met(holds(median(each))),
  ]),
])

// For a minute and more, beside the ceiling. Without the assets: their emulation is three more workers, whose heaps grow for a while as well.
async function sustain(worker: Running) {
  const windows = []
  for (let second = 0; second < Number(flags.sustain); second += 10)
    windows.push({ ...(await load(worker.url, EVENT, 10)), size: worker.residentSize() })
  return windows
}
const sustained = await sustain(inboxBare)
const sustainedCeiling = await sustain(bare)
table([
  [
    'Sustained load, no assets, seconds',
    ...sustained.map((_, index) => `${index * 10} to ${index * 10 + 10}`),
  ],
  ['answers a second', ...sustained.map(({ rate }) => rate.toFixed(0))],
  ['p50, ms', ...sustained.map(({ p50 }) => String(p50))],
  ['p99, ms', ...sustained.map(({ p99 }) => String(p99))],
  ['resident size of workerd at the end, MB', ...sustained.map(({ size }) => size.toFixed(0))],
  ["the ceiling's p50, ms", ...sustainedCeiling.map(({ p50 }) => String(p50))],
  ["the ceiling's p99, ms", ...sustainedCeiling.map(({ p99 }) => String(p99))],
  ["the ceiling's resident size, MB", ...sustainedCeiling.map(({ size }) => size.toFixed(0))],
])
type Windows = Awaited<ReturnType<typeof sustain>>
const growth = (windows: Windows, what: 'p50' | 'p99' | 'size') =>
  ((windows[5] ?? windows.at(-1))?.[what] ?? Number.NaN) / (windows[0]?.[what] ?? Number.NaN)
table([
  ['After a minute, to after 10 s', 'inbox', 'ceiling', 'target', 'met'],
  ...(['p50', 'p99', 'size'] as const).map((what) => {
    const [own, runtime] = [growth(sustained, what), growth(sustainedCeiling, what)]
    const name = what === 'size' ? 'resident size of workerd' : what
    const holds = own <= Math.max(1.2, runtime)
    return [name, own.toFixed(2), runtime.toFixed(2), '≤ 1.2, or as the ceiling', met(holds)]
  }),
])
await drained(inboxBare)

// One thing at a time, on an inbox that has nothing else to do.
for (const worker of [ceiling, bare, inbox, inboxBare, peer]) await worker.stop()
const idle = await withSchema(await start('idle', 'worker.ts', INBOX_OPTIONS))
const database = await idle.database()
const one: number[] = []
const thousand: number[] = []
for (let round = 0; round < 100; round++) {
  one.push(
    await timed(async () => {
      const id = await post(idle, EVENT)
      const find = database.prepare('SELECT 1 AS found FROM events WHERE event_id = ?').bind(id)
      await until(async () => (await find.first('found')) === 1)
    }),
  )
}
let rows = await rowsOf(idle)
for (let round = 0; round < 20; round++) {
  rows += 1_000
  thousand.push(
    await timed(async () => {
      await post(idle, batchOf(1_000))
      await until(async () => (await rowsOf(idle)) === rows)
    }),
  )
}
for (; rows < Number(flags.rows); rows += 1_000) await post(idle, batchOf(1_000))
await drained(idle)
const pages: number[] = []
const counts: number[] = []
for (let round = 0; round < 100; round++) {
  pages.push(await timed(() => get(idle, '/inbox')))
  counts.push(await timed(() => get(idle, '/metrics')))
}
const p95 = (each: number[]) => percentile(each, 0.95)
table([
  ['One at a time', 'median, ms', 'p95, ms', 'target', 'met'],
  ...(
    [
      ['one event, from the post to its row in D1', one, 50],
      ['1,000 events in a batch, from the post to their rows in D1', thousand, 100],
      [`GET /metrics, with ${rows} events`, counts, 50],
      [`GET /inbox, with ${rows} events`, pages, 200],
    ] as [string, number[], number][]
  ).map(([name, each, target]) => [
    name,
    median(each).toFixed(1),
    p95(each).toFixed(1),
    `< ${target}`,
    met(p95(each) < target),
  ]),
])
for (const worker of [batches, idle]) await worker.stop()
