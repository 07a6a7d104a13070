import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { INBOX_OPTIONS, load, start, withSchema } from '../bench/runtime'
import { clientOf, inParallel } from './world'

interface Written {
  requests: number
  calls: number
  alarms: number
  shardRows: number
  d1Writes: number
  d1Rows: number
}

/** List prices in dollars a million: a row written, to a shard or to D1; a request to the worker; a call of a shard. */
const PRICE = { row: 1, request: 0.3, call: 0.15 }

/** The real worker with its rows counted. */
async function countedInbox() {
  const { assets: _, ...options } = INBOX_OPTIONS
  const running = await withSchema(await start('counted', 'test/counting-worker.ts', options))
  onTestFinished(() => running.stop())
  const inbox = clientOf(running.url)
  const written = async () =>
    (await (await fetch(new URL('/written', running.url))).json()) as Written
  /** What each event of `work`, which says how many there were, has cost once D1 knows all of them. */
  const cost = async (name: string, work: () => Promise<number>) => {
    const before = await written()
    const events = await work()
    const { requests } = await written()
    await inbox.drained()
    // Changes have no part in queue_depth; a listing has them written out.
    await inbox.get('/inbox?limit=1')
    const after = { ...(await written()), requests }
    const per = (what: keyof Written) => (after[what] - before[what]) / events
    const { row, request, call } = PRICE
    const each = {
      requests: per('requests'),
      calls: per('calls'),
      alarms: per('alarms'),
      shardRows: per('shardRows'),
      d1Rows: per('d1Rows'),
      d1Writes: per('d1Writes'),
      dollars:
        (per('shardRows') + per('d1Rows')) * row + per('requests') * request + per('calls') * call,
    }
    const figures = Object.entries(each).map(([what, value]) => `${what} ${value.toFixed(3)}`)
    console.info(`${name}, ${events} events: ${figures.join(', ')}`)
    return each
  }
  return { ...inbox, cost }
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

test('an event costs at most 6 dollars a million in single posts under load, 5 in batches, 10 with its ack', async () => {
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
    const { answered } = await load(inbox.url, event, 4)
    return answered
  })
  expect(single.calls).toBeLessThan(1.1)
  expect(single.d1Rows).toBeLessThan(3.1)
  // Many commits share a write to D1, and many posts a commit: three rows each.
  expect(single.d1Writes).toBeLessThan(0.05)
  expect(single.shardRows).toBeLessThan(1.5)
  expect(single.dollars).toBeLessThanOrEqual(6)

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
