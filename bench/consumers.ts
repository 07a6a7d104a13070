/** Claims and settles, beside pg-boss; how long those wait who wait for an event; and what subscriptions cost a post. */
import { startJobQueue } from './postgres.ts'
import { percentile, type Result, spread, table } from './report.ts'
import { INBOX_OPTIONS, load, type Running, start, withSchema } from './runtime.ts'
import { batchOf, clientOf, drained, EVENT, fill, post } from './workload.ts'

const CONSUMERS = [1, 16]
const WAITING = [1, 50]
const SUBSCRIPTIONS = 20

export async function consumers(
  rounds: number,
  seconds: number,
  progress: (what: string) => void,
  events = 20_000,
): Promise<{ text: string; results: Result[] }> {
  // The inbox runs without its assets, because their emulation takes workers of its own.
  const bare = { ...INBOX_OPTIONS, assets: undefined }
  const inbox = await withSchema(await start('inbox', 'worker.ts', bare))
  const jobs = await startJobQueue()
  const batch = batchOf(100)
  const rates: Record<string, number[]> = {}
  const add = (name: string, value: number) => (rates[name] ??= []).push(value)

  for (let round = 0; round <= rounds; round++) {
    progress(`consumers, round ${round} of ${rounds}`)
    for (const count of CONSUMERS) {
      await fill(inbox, events, 100)
      await drained(inbox)
      const inboxRate = await workOff(inbox, count)
      if (round > 0) add(`inbox ${count}`, inboxRate)
      if (!jobs) continue
      for (let n = 0; n < events; n += 100) await post(jobs, batch)
      const ownRate = await jobs.consume(count)
      for (let n = 0; n < events; n += 100) await post(jobs, batch)
      const jobRate = await workOff(jobs, count)
      if (round > 0) add(`own ${count}`, ownRate)
      if (round > 0) add(`jobs ${count}`, jobRate)
    }
  }
  await jobs?.stop()

  const waits: string[][] = []
  const waited: Result[] = []
  for (const count of WAITING) {
    progress(`${count} waiting`)
    const times = await timesToAnswer(inbox, count, 200)
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
    waits.push([`${count} waiting`, p50.toFixed(1), p99.toFixed(1)])
    waited.push({
      name: `from a post to the answer of one of ${count} who wait: p99, ms`,
      values: [p99],
      digits: 1,
      atMost: 50,
    })
  }
  await inbox.stop()

  const cpu = await costOfSubscriptions(bare, rounds, seconds, progress)
  const head = [
    'claimed and settled in hundreds',
    ...CONSUMERS.map((n) => `${n} at once, events a second`),
  ]
  const row = (name: string, key: string) => [
    name,
    ...CONSUMERS.map((count) => spread(rates[`${key} ${count}`] ?? [])),
  ]
  const text = [
    table([
      head,
      row('**inbox**, over HTTP', 'inbox'),
      row('Fastify, pg-boss, PostgreSQL, over HTTP', 'jobs'),
      row('pg-boss, PostgreSQL, by consumers in its own process', 'own'),
    ]),
    table([['from a post to a waiting claim’s answer', 'p50, ms', 'p99, ms'], ...waits]),
  ].join('\n')
  const ratio = (key: string, count: number) =>
    (rates[`inbox ${count}`] ?? []).flatMap((rate, index) => {
      const other = rates[`${key} ${count}`]?.[index]
      return other ? [rate / other] : []
    })
  return {
    text,
    results: [
      ...CONSUMERS.flatMap((count) => [
        {
          name: `events claimed and settled, ${count} at once: inbox to pg-boss over HTTP`,
          values: ratio('jobs', count),
          atLeast: 1,
        },
        {
          name: `the same, to consumers in the process of pg-boss`,
          values: ratio('own', count),
          atLeast: 1,
        },
      ]),
      ...waited,
      { name: `CPU of a post: ${SUBSCRIPTIONS} subscriptions to one`, values: cpu, atMost: 1.3 },
    ],
  }
}

const idsOf = (events: { event_id: string }[]) => events.map(({ event_id }) => event_id)

/** Claims and settles everything by so many consumers. @returns events a second */
export async function workOff(inbox: { url: URL }, count: number): Promise<number> {
  const client = clientOf(inbox)
  let settled = 0
  const consume = async () => {
    for (;;) {
      const { data, lease } = await client.claim({ limit: 100 })
      if (!lease) return
      await client.settle(lease.token, { ack: idsOf(data) })
      settled += data.length
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: count }, consume))
  return (settled / (performance.now() - startedAt)) * 1_000
}

/** Posts events one by one while so many claims wait. @returns the ms from each post to the answer that has its event */
export async function timesToAnswer(
  inbox: Running,
  count: number,
  posts: number,
): Promise<number[]> {
  const client = clientOf(inbox)
  const posted = new Map<string, number>()
  const times: number[] = []
  let isOver = false
  let arrived = () => {}
  const wait = async () => {
    while (!isOver) {
      const { data, lease } = await client.claim({ limit: 1, wait_seconds: 2 })
      const at = performance.now()
      for (const { event_id } of data) times.push(at - (posted.get(event_id) ?? Number.NaN))
      arrived()
      if (lease) await client.settle(lease.token, { ack: idsOf(data) })
    }
  }
  const waiters = Array.from({ length: count }, wait)
  for (let n = 0; n < posts; n++) {
    const event_id = `wait-${count}-${n}`
    const { promise, resolve } = Promise.withResolvers<void>()
    arrived = () => times.length > n && resolve()
    posted.set(event_id, performance.now())
    await client.send({ event_id, payload: {} })
    await promise
  }
  isOver = true
  await Promise.all(waiters)
  return times
}

/** Posts to an inbox with one subscription and to one with many, in turn. @returns the ratio of CPU a post, by round */
async function costOfSubscriptions(
  options: Record<string, unknown> & { bindings?: object },
  rounds: number,
  seconds: number,
  progress: (what: string) => void,
): Promise<number[]> {
  const many = Array.from({ length: SUBSCRIPTIONS }, (_, n) => ({
    name: `s${n}`,
    filter: { 'metadata.type': [`kind-${n}.*`, ...(n === 7 ? ['order.*'] : [])] },
  }))
  const bindings = { ...options.bindings, SUBSCRIPTIONS: JSON.stringify(many) }
  const one = await withSchema(await start('one', 'worker.ts', options))
  const twenty = await withSchema(await start('twenty', 'worker.ts', { ...options, bindings }))
  const cpuOf = async (worker: Running) => {
    const before = worker.cpu()
    const { answered } = await load(worker.url, EVENT, seconds)
    await drained(worker)
    return (worker.cpu() - before) / answered
  }
  const ratios: number[] = []
  for (let round = 0; round <= rounds; round++) {
    progress(`subscriptions, round ${round} of ${rounds}`)
    const [first, second] = [await cpuOf(one), await cpuOf(twenty)]
    if (round > 0) ratios.push(second / first)
  }
  await one.stop()
  await twenty.stop()
  return ratios
}
