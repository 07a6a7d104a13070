import { createHmac } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { INBOX_OPTIONS, load, start, withSchema } from '../../bench/runtime'
import { clientOf, inParallel } from '../support/world'

interface Written {
  requests: number
  /** Events that came in. */
  events: number
  calls: number
  /** Calls that the worker made of shards. */
  asked: number
  alarms: number
  commits: number
  shardRows: number
  placeRows: number
  d1Writes: number
  d1Rows: number
}

/** List prices in dollars a million: a row written, to a shard or to D1; a request to the worker; a call of a shard. */
const PRICE = { row: 1, request: 0.3, call: 0.15 }

/** The real worker with its rows counted. */
async function countedInbox(variables: Record<string, string> = {}) {
  const { assets: _, ...options } = INBOX_OPTIONS
  const bindings = { ...options.bindings, ...variables }
  const running = await withSchema(
    await start('counted', 'test/support/counting-worker.ts', { ...options, bindings }),
  )
  onTestFinished(() => running.stop())
  const inbox = clientOf(running.url)
  const written = async () =>
    (await (await fetch(new URL('/written', running.url))).json()) as Written
  /** What each event of `work`, which says how many if it did not post them, has cost once D1 knows all of them. */
  const cost = async (name: string, work: () => Promise<number | void>) => {
    const before = await written()
    const startedAt = performance.now()
    const done = await work()
    const { requests } = await written()
    await inbox.drained()
    // Changes have no part in queue_depth; a listing has them written out.
    await inbox.get('/inbox?limit=1')
    const after = { ...(await written()), requests }
    const seconds = (performance.now() - startedAt) / 1_000
    const events = done ?? after.events - before.events
    const per = (what: keyof Written) => (after[what] - before[what]) / events
    const { row, request, call } = PRICE
    const each = {
      requests: per('requests'),
      calls: per('calls'),
      alarms: per('alarms'),
      commits: per('commits'),
      shardRows: per('shardRows'),
      placeRows: per('placeRows'),
      d1Rows: per('d1Rows'),
      d1Writes: per('d1Writes'),
      dollars:
        (per('shardRows') + per('d1Rows')) * row + per('requests') * request + per('calls') * call,
    }
    const figures = Object.entries(each).map(([what, value]) => `${what} ${value.toFixed(3)}`)
    console.info(`${name}, ${events} events: ${figures.join(', ')}`)
    return { ...each, events, seconds }
  }
  return { ...inbox, cost, written }
}

const event = JSON.stringify({ payload: { order: 17, amount: 12.5 }, metadata: { source: 'shop' } })

/** Calls `work` so many times a second on average, as independent senders do, whether or not it has answered. */
async function atRandom(rate: number, times: number, work: () => Promise<unknown>): Promise<void> {
  const answers: Promise<unknown>[] = []
  let due = performance.now()
  for (let n = 0; n < times; n++) {
    due += (-Math.log(1 - Math.random()) / rate) * 1_000
    await setTimeout(Math.max(0, due - performance.now()))
    answers.push(work())
  }
  await Promise.all(answers)
}

const batchOf = (events: number) => `[${Array(events).fill(event).join(',')}]`

test('a million events cost at most 6 dollars as single posts under load, 5 as batches, 10 with acks', async () => {
  const inbox = await countedInbox()
  const postBatch = async (events: number) => {
    const { body } = await inbox.call<{ event_id: string }[]>('POST', '/events', batchOf(events))
    return body.data.map(({ event_id }) => event_id)
  }
  // The first events of a shard begin its run and its minute.
  await postBatch(500)
  await inbox.drained()

  const lone = await inbox.cost('one event, and nothing else', async () => {
    await inbox.post(event)
    return 1
  })
  expect(lone.d1Rows).toBe(4)
  expect(lone.dollars).toBeLessThanOrEqual(12)

  const single = await inbox.cost('single posts, 64 at a time', async () => {
    // Those on their way at its end come in as well.
    await load(inbox.url, event, 4)
  })
  expect(single.calls).toBeLessThan(1.1)
  // Many commits share a write to D1, which has a row of its own: under load each of the two shards makes one every
  // half a second, or one of 1,000 events. So on a slow machine there are more of them an event, not more of them.
  const mostWrites = 6 + (2 * single.seconds) / 0.5 + single.events / 500
  expect(single.d1Writes * single.events).toBeLessThan(mostWrites)
  expect(single.d1Rows).toBeLessThan(3.05 + single.d1Writes)
  // Many posts share a commit: four rows each.
  expect(single.shardRows).toBeLessThan(1.55)
  // The fourth says who can claim them. How many events share it is up to the machine.
  expect(single.placeRows).toBeLessThanOrEqual(single.commits)
  expect(single.dollars).toBeLessThanOrEqual(6)

  const delivered = await inbox.cost('deliveries of a source, 64 at a time', () =>
    inParallel(1_000, 64, async (n) => {
      const signature = `sha256=${createHmac('sha256', 'development-secret').update(event).digest('hex')}`
      const answer = await fetch(new URL('/in/github', inbox.url), {
        method: 'POST',
        headers: { 'X-GitHub-Delivery': `d-${n}`, 'X-Hub-Signature-256': signature },
        body: event,
      })
      expect([
        answer.status,
        ((await answer.json()) as { data: { status: string } }).data.status,
      ]).toEqual([200, 'accepted'])
    }),
  )
  // What each source was sent is counted in a row that is written anyway.
  expect(delivered.calls).toBeLessThan(1.1)
  expect(delivered.d1Rows).toBeLessThan(3.05 + delivered.d1Writes)
  expect(delivered.shardRows).toBeLessThan(2.2)

  const steady = await inbox.cost('single posts, 600 a second', async () => {
    await atRandom(600, 1_200, () => inbox.post(event))
    return 1_200
  })
  // Commits wait for company: without that each would carry one or two of these, and cost three rows.
  expect(steady.shardRows).toBeLessThan(2.2)
  expect(steady.dollars).toBeLessThanOrEqual(6)

  const ids: string[] = []
  const batched = await inbox.cost('batches of 100', async () => {
    await inParallel(30, 8, async () => void ids.push(...(await postBatch(100))))
    return ids.length
  })
  expect(batched.d1Rows).toBeLessThan(3.1)
  expect(batched.dollars).toBeLessThanOrEqual(5)

  const acked = await inbox.cost('their acks, 100 at a time', async () => {
    await inParallel(30, 8, async (n) => {
      const event_ids = ids.slice(n * 100, n * 100 + 100)
      expect((await inbox.call('POST', '/inbox/ack', { event_ids })).status).toBe(200)
    })
    return ids.length
  })
  expect(batched.dollars + acked.dollars).toBeLessThanOrEqual(10)
})

const claimHundred = (inbox: Awaited<ReturnType<typeof countedInbox>>, subscription = 'inbox') =>
  inbox.claim({ subscription, limit: 100, lease_seconds: 600 })

test('claims and settles of 100 cost a tenth of a row an event, beyond its own rows', async () => {
  const inbox = await countedInbox()
  const postBatches = (count: number) =>
    inParallel(count, 4, async () => void (await inbox.post(batchOf(100))))
  await postBatches(60)
  await inbox.drained()
  const leases: { token: string; ack: string[] }[] = []
  const claimed = await inbox.cost('claims of 100', async () => {
    for (;;) {
      const { body } = await claimHundred(inbox)
      if (!body.lease) break
      leases.push({ token: body.lease.token, ack: body.data.map(({ event_id }) => event_id) })
    }
    return 6_000
  })
  expect(leases.reduce((sum, { ack }) => sum + ack.length, 0)).toBe(6_000)
  // Accepted one by one, so that each could be claimed from another moment on.
  for (let n = 0; n < 100; n++) await inbox.post(event)
  await inbox.drained()
  const given = [await claimHundred(inbox), await claimHundred(inbox)]
  const back = await inbox.cost('releases of what was posted one by one', async () => {
    for (const { body } of given) {
      const release = body.data.map(({ event_id }) => event_id)
      expect((await inbox.settle(body.lease?.token ?? '', { release })).status).toBe(200)
    }
    return 100
  })
  expect(back.placeRows).toBeLessThan(0.06)
  const settled = await inbox.cost('settles of 100', async () => {
    for (const { token, ack } of leases)
      expect((await inbox.settle(token, { ack })).status).toBe(200)
    return 6_000
  })
  // All that a claim writes is beyond the event's own row; of a settle that is what it writes of the lease.
  const beyond = claimed.shardRows + settled.placeRows
  console.info(`claims and settles of 100: ${beyond.toFixed(3)} rows beyond an event's own`)
  expect(beyond).toBeLessThan(0.1)
})

test('20 subscriptions share the rows of a commit', async () => {
  const names = Array.from({ length: 20 }, (_, n) => `s${n}`)
  const filterOf = (n: number) => ({ 'metadata.source': n % 2 === 0 ? 'shop' : 'elsewhere' })
  const subscriptions = names.map((name, n) => ({ name, filter: filterOf(n) }))
  const inbox = await countedInbox({ SUBSCRIPTIONS: JSON.stringify(subscriptions) })
  await inbox.post(batchOf(100))
  await inbox.drained()
  const single = await inbox.cost(
    'single posts, 64 at a time, 10 of 20 subscriptions',
    async () => {
      await load(inbox.url, event, 3)
    },
  )
  // Both are shares of the same number of posts, which no longer divide evenly.
  expect(single.placeRows / single.commits).toBeLessThan(10 + 1e-9)
  expect((await claimHundred(inbox, 's0')).body.data).toHaveLength(100)
  expect((await claimHundred(inbox, 's1')).body.data).toEqual([])
})

test('a reader asks each of the two shards once, whatever it reads', async () => {
  const inbox = await countedInbox()
  await inbox.post(event)
  await inbox.get('/inbox')
  const asked = async (path: string) => {
    const before = await inbox.written()
    expect((await inbox.get(path)).status).toBe(200)
    return (await inbox.written()).asked - before.asked
  }
  expect({
    metrics: await asked('/metrics'),
    listing: await asked('/inbox'),
    filtered: await asked('/inbox?status=failed&from=2026-01-01'),
    eventual: await asked('/inbox?consistency=eventual'),
    uncounted: await asked('/inbox?consistency=eventual&count=false'),
  }).toEqual({ metrics: 2, listing: 2, filtered: 2, eventual: 2, uncounted: 0 })
})
