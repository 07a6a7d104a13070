/** Posts over 64 connections, to the contenders in turn, so that they share what else the machine does. */
import { startJobQueue } from './postgres.ts'
import { type Result, spread, table } from './report.ts'
import {
  INBOX_OPTIONS,
  type Load,
  load,
  loadDeliveries,
  type Running,
  start,
  until,
  withSchema,
} from './runtime.ts'
import { batchOf, drained, EVENT, rowsOf, timed } from './workload.ts'

const BATCH = batchOf(100)

const NAMES = {
  empty: 'an empty call of an object (`ceiling.ts`)',
  durable: 'the smallest durable worker (`durable.ts`)',
  group: 'the smallest with group commit (`group-commit.ts`)',
  inbox: '**inbox**',
  github: '**inbox**, deliveries of GitHub',
  batches: '**inbox**, batches of 100',
  workflow: 'a queue, a workflow, D1 and KV (`peer.ts`)',
  jobs: 'Fastify, pg-boss, PostgreSQL (`job-queue.ts`)',
  jobBatches: 'the same, batches of 100',
}
type Name = keyof typeof NAMES
const ALL = Object.keys(NAMES) as Name[]

interface Measured extends Load {
  /** Events that were accepted a second. */
  accepted: number
  /** Events that reached D1 a second, until all were there. */
  stored?: number
  drainMs?: number
  /** Microseconds of CPU an answer, until everything is in D1. */
  cpu?: number
}

/** Measures all contenders. @param progress is told of each round */
export async function throughput(
  rounds: number,
  seconds: number,
  progress: (what: string) => void,
): Promise<{ text: string; results: Result[] }> {
  const object = (className: string) => ({
    durableObjects: { SHARD: { className, useSQLite: true } },
  })
  // The inbox runs without its assets, because their emulation takes workers of its own.
  const bare = { ...INBOX_OPTIONS, assets: undefined }
  const empty = await start('empty', 'bench/ceiling.ts', object('Empty'))
  const durable = await start('durable', 'bench/durable.ts', object('Durable'))
  const group = await start('group', 'bench/group-commit.ts', object('GroupCommit'))
  const inbox = await withSchema(await start('inbox', 'worker.ts', bare))
  const github = await withSchema(await start('github', 'worker.ts', bare))
  const batches = await withSchema(await start('batches', 'worker.ts', bare))
  const workflow = await withSchema(
    await start('workflow', 'bench/peer.ts', {
      d1Databases: ['DB'],
      kvNamespaces: ['COUNTERS'],
      queueProducers: { QUEUE: { queueName: 'events' } },
      queueConsumers: { events: { maxBatchSize: 100, maxBatchTimeout: 1 } },
      workflows: { STORE: { name: 'store-event', className: 'StoreEvent' } },
    }),
  )
  const jobs = await startJobQueue()

  const answered = async ({ url }: { url: URL }): Promise<Measured> => {
    const answers = await load(url, EVENT, seconds)
    return { ...answers, accepted: answers.rate }
  }
  const committed = async (queue: NonNullable<typeof jobs>, body: string, events: number) => {
    const before = await queue.count()
    const answers = await load(queue.url, body, seconds)
    const found = (await queue.count()) - before
    if (found < answers.answered * events) throw new Error('PostgreSQL has fewer than it accepted')
    return { ...answers, accepted: answers.rate * events }
  }
  /** Posts, and also waits until everything is in D1. */
  const stored = async (
    worker: Running,
    body: string,
    events: number,
    settled: (rows: number) => Promise<unknown>,
    send = load,
  ): Promise<Measured> => {
    const cpu = worker.cpu()
    const before = await rowsOf(worker)
    const startedAt = performance.now()
    const answers = await send(worker.url, body, seconds)
    const drainMs = await timed(() => settled(before + answers.answered * events))
    const rows = (await rowsOf(worker)) - before
    const rate = (rows / (performance.now() - startedAt)) * 1_000
    const each = (worker.cpu() - cpu) / answers.answered
    return { ...answers, accepted: answers.rate * events, stored: rate, drainMs, cpu: each }
  }
  const contenders: Partial<Record<Name, () => Promise<Measured>>> = {
    empty: () => answered(empty),
    durable: () => answered(durable),
    group: () => answered(group),
    inbox: () => stored(inbox, EVENT, 1, () => drained(inbox)),
    github: () => stored(github, EVENT, 1, () => drained(github), loadDeliveries),
    batches: () => stored(batches, BATCH, 100, () => drained(batches)),
    // It goes on storing for long after. Waiting as long again as the load lasted is enough to see how fast.
    workflow: () =>
      stored(workflow, EVENT, 1, (rows) =>
        until(async () => (await rowsOf(workflow)) >= rows, seconds * 1_000).catch(() => {}),
      ),
    ...(jobs && {
      jobs: () => committed(jobs, EVENT, 1),
      jobBatches: () => committed(jobs, BATCH, 100),
    }),
  }

  const measured: Partial<Record<Name, Measured>>[] = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    progress(`posts, round ${round} of ${rounds}`)
    const result: Partial<Record<Name, Measured>> = {}
    for (const name of ALL) {
      const measure = contenders[name]
      if (measure) result[name] = await measure()
    }
    if (round > 0) measured.push(result)
  }
  for (const each of [empty, durable, group, inbox, github, batches, workflow, jobs])
    await each?.stop()
  return { text: figures(measured), results: ratios(measured) }
}

function figures(rounds: Partial<Record<Name, Measured>>[]): string {
  const row = (name: Name) => {
    const each = rounds.flatMap((round) => round[name] ?? [])
    const column = (pick: (round: Measured) => number | undefined) => {
      const values = each.flatMap((round) => pick(round) ?? [])
      return values.length > 0 ? spread(values) : '–'
    }
    return [
      NAMES[name],
      column(({ p50 }) => p50),
      column(({ p99 }) => p99),
      column(({ accepted }) => accepted),
      column((round) => round.stored),
    ]
  }
  const head = ['64 connections', 'p50, ms', 'p99, ms', 'events a second', 'in D1']
  const all = ALL.filter((name) => rounds[0]?.[name])
  const without = rounds[0]?.jobs ? '' : '\nPostgreSQL is not installed: pg-boss was left out.\n'
  return table([head, ...all.map(row)]) + without
}

function ratios(rounds: Partial<Record<Name, Measured>>[]): Result[] {
  const ratio = (a: Name, b: Name, pick: (of: Measured) => number | undefined) =>
    rounds.flatMap((round) => {
      const [over, under] = [round[a] && pick(round[a]), round[b] && pick(round[b])]
      return over !== undefined && under ? [over / under] : []
    })
  const rate = ({ rate: answers }: Measured) => answers
  const accepted = ({ accepted: events }: Measured) => events
  const inD1 = ({ stored }: Measured) => stored
  return [
    {
      name: 'answers: inbox to the smallest durable worker',
      values: ratio('inbox', 'durable', rate),
      atLeast: 1.25,
    },
    {
      name: 'answers: inbox to the smallest with group commit',
      values: ratio('inbox', 'group', rate),
      atLeast: 0.9,
    },
    { name: 'answers: inbox to an empty call', values: ratio('inbox', 'empty', rate) },
    {
      name: 'CPU of an answer: a delivery of GitHub to a plain post',
      values: ratio('github', 'inbox', ({ cpu }) => cpu),
      atMost: 1.3,
    },
    {
      name: 'p99: inbox to an empty call',
      values: ratio('inbox', 'empty', ({ p99 }) => p99),
      atMost: 2,
    },
    { name: 'posts accepted: inbox to pg-boss', values: ratio('inbox', 'jobs', accepted) },
    {
      name: 'events accepted in batches of 100: inbox to pg-boss',
      values: ratio('batches', 'jobBatches', accepted),
    },
    {
      name: 'events accepted: inbox to queue and workflow',
      values: ratio('inbox', 'workflow', accepted),
      atLeast: 2,
    },
    {
      name: 'events stored: inbox to queue and workflow',
      values: ratio('inbox', 'workflow', inD1),
      atLeast: 20,
    },
    {
      name: 'events stored: batches of 100 to single posts',
      values: ratio('batches', 'inbox', inD1),
      atLeast: 12,
    },
    {
      name: 'journal empty after the load, ms',
      values: rounds.flatMap(({ inbox }) => inbox?.drainMs ?? []),
      digits: 0,
      atMost: 1_000,
    },
  ]
}
