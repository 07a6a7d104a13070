import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { type ClaimedEvent, Nack, Release } from '../../client/index'
import { clientFor, type Lose } from '../support/client'
import { randomOf } from '../support/random'
import { type Inbox, test as base } from '../support/world'

/** Each test has a subscription of its own. */
const NAMES = [
  'acks',
  'long',
  'aborts',
  'stops',
  'batches',
  'places',
  'two',
  'losses',
  'waits',
  'thrown',
]
const test = base.override('vars', {
  SUBSCRIPTIONS: JSON.stringify(
    NAMES.map((name) => ({ name, filter: { 'payload.for': name }, retry_seconds: [0] })),
  ),
})

const eventsFor = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ event_id: `${name}-${n}`, payload: { for: name, n } }))

/** What became of an event in each attempt. */
async function fateOf(inbox: Inbox, id: string): Promise<string[]> {
  const { timeline } = await inbox.story(id)
  return timeline.slice(1).map(({ what }) => what)
}

test('acks an event when its handler ends, and nacks it when that throws', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  await client.send(eventsFor('acks', 4))
  const stop = new AbortController()
  const attempts: string[] = []
  const over = client.consume(
    { subscription: 'acks', concurrency: 4, signal: stop.signal, consumer: 'tester' },
    ({ event_id, attempt }) => {
      attempts.push(`${event_id} ${attempt}`)
      if (event_id === 'acks-1' && attempt === 1) throw new Error('card declined')
      if (event_id === 'acks-2') throw new Nack('come back later', { delaySeconds: 600 })
      if (event_id === 'acks-3' && attempts.filter((each) => each.startsWith(event_id)).length < 2)
        throw new Release()
    },
  )
  await expect.poll(() => fateOf(inbox, 'acks-1')).toEqual(['nacked', 'acked'])
  await expect.poll(() => fateOf(inbox, 'acks-3')).toEqual(['released', 'acked'])
  stop.abort()
  await over
  expect(attempts.toSorted()).toEqual(
    ['acks-0 1', 'acks-1 1', 'acks-1 2', 'acks-2 1', 'acks-3 1', 'acks-3 1'].toSorted(),
  )
  const { timeline } = await inbox.story('acks-1')
  expect(timeline[1]).toMatchObject({ why: 'card declined', consumer: 'tester' })
  const counts = { open: 1, ready: 0, leased: 0, scheduled: 1 }
  expect(await inbox.subscription('acks')).toMatchObject(counts)
})

test('keeps an event for as long as its handler works, and loses none of it to others', async ({
  inbox,
}) => {
  const { client, asked } = clientFor(inbox.url)
  await client.send(eventsFor('long', 1))
  const stop = new AbortController()
  const options = { subscription: 'long', leaseSeconds: 1, signal: stop.signal }
  const begun: string[] = []
  let isAborted = false
  const work =
    (name: string) =>
    async (_: ClaimedEvent, { signal }: { signal: AbortSignal }) => {
      begun.push(name)
      await sleep(3_500)
      isAborted = signal.aborted
      stop.abort()
    }
  await Promise.all([client.consume(options, work('a')), client.consume(options, work('b'))])
  expect(begun).toHaveLength(1)
  expect(isAborted).toBe(false)
  expect(asked(/extend/).length).toBeGreaterThanOrEqual(6)
  expect(await fateOf(inbox, 'long-0')).toEqual(['acked'])
})

test('aborts the signal of a handler whose event somebody else has settled', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url)
  await client.send(eventsFor('aborts', 2))
  const stop = new AbortController()
  const lost: string[] = []
  const ended: string[] = []
  const over = client.consume(
    {
      subscription: 'aborts',
      concurrency: 2,
      leaseSeconds: 3,
      signal: stop.signal,
      onLost: ({ event_id }) => lost.push(event_id),
    },
    async ({ event_id }, { signal }) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve)
        if (event_id === 'aborts-1') setTimeout(resolve, 3_000)
      })
      ended.push(event_id)
    },
  )
  await expect.poll(async () => (await inbox.subscription('aborts')).leased).toBe(2)
  await inbox.ack('aborts-0')
  await expect.poll(() => ended).toEqual(['aborts-0', 'aborts-1'])
  stop.abort()
  await over
  expect(lost).toEqual(['aborts-0'])
  const settled = asked(/settle/).flatMap(({ body }) => body.ack)
  expect(settled).toEqual(['aborts-1'])
})

test('stops on a signal: finishes what is under way, and claims no more', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url)
  await client.send(eventsFor('stops', 5))
  const stop = new AbortController()
  const done: string[] = []
  await client.consume(
    { subscription: 'stops', concurrency: 2, signal: stop.signal },
    async ({ event_id }) => {
      stop.abort()
      await sleep(500)
      done.push(event_id)
    },
  )
  expect(done.length).toBeLessThanOrEqual(2)
  expect(await inbox.subscription('stops')).toMatchObject({ open: 5 - done.length, leased: 0 })
  const before = asked(/claim/).length
  await sleep(300)
  expect(asked(/claim/)).toHaveLength(before)
})

test('stops while it waits for events, and gives back what comes all the same', async ({
  inbox,
}) => {
  const { client } = clientFor(inbox.url)
  const stop = new AbortController()
  const over = client.consume({ subscription: 'waits', signal: stop.signal }, () => {})
  await expect.poll(async () => (await inbox.subscription('waits')).waiting).toBe(1)
  const startedAt = Date.now()
  stop.abort()
  await over
  expect(Date.now() - startedAt).toBeLessThan(1_000)
  await client.send(eventsFor('waits', 1))
  await expect.poll(() => fateOf(inbox, 'waits-0')).toEqual(['released'])
  expect(await inbox.subscription('waits')).toMatchObject({ ready: 1, leased: 0 })
})

test('settles together what ends together', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url)
  await client.send(eventsFor('batches', 60))
  const stop = new AbortController()
  let done = 0
  await client.consume(
    { subscription: 'batches', concurrency: 60, signal: stop.signal },
    async ({ payload }) => {
      await sleep(200 + Number(payload.n) / 2)
      if (++done === 60) stop.abort()
    },
  )
  expect(await inbox.subscription('batches')).toMatchObject({ open: 0, settled: 60 })
  expect(asked(/settle/).length).toBeLessThanOrEqual(8)
  expect(asked(/claim/).length).toBeLessThanOrEqual(4)
})

test('claims no more than it can begin', async ({ inbox }) => {
  let working = 0
  const lose: Lose = ({ path, body }) => {
    if (path.endsWith('/claim')) expect(Number(body.limit) + working).toBeLessThanOrEqual(3)
    return undefined
  }
  const { client, asked } = clientFor(inbox.url, lose)
  await client.send(eventsFor('places', 20))
  const stop = new AbortController()
  let done = 0
  const most: number[] = []
  await client.consume(
    { subscription: 'places', concurrency: 3, signal: stop.signal },
    async ({ payload }) => {
      most.push(++working)
      // One is slow: the others do not wait for it.
      await sleep(payload.n === 0 ? 1_000 : 20)
      working--
      if (++done === 20) stop.abort()
    },
  )
  expect(Math.max(...most)).toBe(3)
  expect(asked(/claim/).length).toBeGreaterThanOrEqual(7)
})

test('two consumers share the events, and each is worked on once', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  await client.send(eventsFor('two', 200))
  const stop = new AbortController()
  const shares: Record<string, string[]> = { a: [], b: [] }
  const worker = (name: string) =>
    client.consume(
      { subscription: 'two', concurrency: 10, signal: stop.signal },
      async ({ event_id }) => {
        shares[name]?.push(event_id)
        await sleep(10)
        if (Object.values(shares).flat().length === 200) stop.abort()
      },
    )
  await Promise.all([worker('a'), worker('b')])
  const all = Object.values(shares).flat()
  expect(new Set(all).size).toBe(200)
  expect(all).toHaveLength(200)
  expect(Math.min(...Object.values(shares).map(({ length }) => length))).toBeGreaterThan(20)
  expect(await inbox.subscription('two')).toMatchObject({ open: 0, expired: 0 })
})

test('loses no event to a network that loses requests and answers', async ({ inbox }) => {
  const random = randomOf(1)
  const lose: Lose = ({ path }) => {
    if (!/claim|settle|extend/.test(path) || random() > 0.25) return undefined
    return random() < 0.5 ? 'request' : 'answer'
  }
  await clientFor(inbox.url).client.send(eventsFor('losses', 60))
  const { client } = clientFor(inbox.url, lose)
  const stop = new AbortController()
  const errors: string[] = []
  const worked = new Set<string>()
  const over = client.consume(
    {
      subscription: 'losses',
      concurrency: 6,
      leaseSeconds: 2,
      waitSeconds: 2,
      signal: stop.signal,
      onError: ({ code }) => errors.push(code),
    },
    async ({ event_id }) => {
      await sleep(30)
      worked.add(event_id)
    },
  )
  await expect
    .poll(async () => (await inbox.subscription('losses')).open, { timeout: 90_000 })
    .toBe(0)
  stop.abort()
  await over
  expect(worked.size).toBe(60)
  expect(errors).toContain('NO_ANSWER')
  expect(await inbox.subscription('losses')).toMatchObject({ failed: 0 })
})

test('ends with an error when it may not claim, or there is no such subscription', async ({
  inbox,
}) => {
  const { client } = clientFor(inbox.url)
  await expect(client.consume({ subscription: 'nobody' }, () => {})).rejects.toMatchObject({
    code: 'SUBSCRIPTION_NOT_FOUND',
  })
  await expect(client.consume({ subscription: 'nobody' }).next()).rejects.toMatchObject({
    status: 404,
  })
  const { client: stranger } = clientFor(inbox.url, undefined, { token: 'wrong' })
  await expect(stranger.consume({}, () => {})).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  await expect(client.consume({ concurrency: 0 }, () => {})).rejects.toThrow(RangeError)
})
