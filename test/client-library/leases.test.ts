import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type ConsumeOptions, type Handler, Inbox, Nack, Release } from '../../client/index'
import { fakeInbox, leasing, refused } from '../support/fake-inbox'

/** How a consumer holds its leases while the inbox hangs, or others get its events, and whatever its handlers throw. */

function consume(url: URL, handler: Handler, options: ConsumeOptions = {}, timeoutMs = 30_000) {
  const stop = new AbortController()
  const client = new Inbox({ url, token: 'dev-token', timeoutMs })
  const over = client.consume({ leaseSeconds: 1, ...options, signal: stop.signal }, handler)
  const outcome = over.then(
    () => 'resolved',
    (error: unknown) => error,
  )
  return { stop: () => stop.abort(), outcome }
}

test('whatever a handler throws nacks the event, with a reason and a wait that the inbox takes', async () => {
  const thrown = [
    Object.create(null),
    Object.assign(new Error('no'), { message: 17 }),
    Symbol('odd'),
    new Nack('soon', { delaySeconds: 1.5 }),
    new Nack('never', { delaySeconds: -1 }),
    new Nack('late', { delaySeconds: Infinity }),
    new Nack('what', { delaySeconds: NaN }),
  ]
  const { url, asked } = await fakeInbox(leasing(thrown.map((_, n) => `e-${n}`)))
  const { stop, outcome } = consume(url, ({ event_id }) => {
    throw thrown[Number(event_id.slice(2))]
  })
  const nacks = () => asked(/settle/).flatMap(({ body }) => body.nack)
  await expect.poll(nacks).toHaveLength(thrown.length)
  stop()
  expect(await outcome).toBe('resolved')
  expect(nacks()).toEqual([
    { event_id: 'e-0', error: expect.stringContaining('thrown') },
    { event_id: 'e-1', error: '17' },
    { event_id: 'e-2', error: 'Symbol(odd)' },
    { event_id: 'e-3', error: 'soon', delay_seconds: 2 },
    { event_id: 'e-4', error: 'never', delay_seconds: 0 },
    { event_id: 'e-5', error: 'late', delay_seconds: 604_800 },
    { event_id: 'e-6', error: 'what', delay_seconds: 0 },
  ])
})

test('extends a lease until its outcomes are settled', async () => {
  let hangs = 1
  const { url, asked } = await fakeInbox(
    leasing(['a'], ({ path }) => (path.endsWith('/settle') && hangs-- > 0 ? undefined : 'usual')),
  )
  const { stop, outcome } = consume(url, () => {}, {}, 2_000)
  await expect.poll(() => asked(/settle/).length).toBe(2)
  expect(asked(/extend/).length).toBeGreaterThanOrEqual(4)
  stop()
  expect(await outcome).toBe('resolved')
})

test('an extend that hangs is given up while the lease goes on', async () => {
  let hangs = 1
  const { url, asked } = await fakeInbox(
    leasing(['a'], ({ path }) => (path.endsWith('/extend') && hangs-- > 0 ? undefined : 'usual')),
  )
  const { stop, outcome } = consume(url, () => sleep(3_000), { leaseSeconds: 3 })
  await expect.poll(() => asked(/extend/).length).toBeGreaterThanOrEqual(2)
  const [claim] = asked(/claim/)
  expect((asked(/extend/)[1]?.at ?? Infinity) - (claim?.at ?? 0)).toBeLessThan(3_000)
  stop()
  expect(await outcome).toBe('resolved')
})

test('an inbox that hangs is waited for ten seconds after the stop', async () => {
  const { url, asked } = await fakeInbox(
    leasing(['a'], ({ path }) => (path.endsWith('/settle') ? undefined : 'usual')),
  )
  const { stop, outcome } = consume(url, () => {})
  await expect.poll(() => asked(/settle/).length).toBe(1)
  const stoppedAt = Date.now()
  stop()
  expect(await outcome).toMatchObject({ code: 'NO_ANSWER' })
  expect(Date.now() - stoppedAt).toBeGreaterThan(9_000)
  expect(Date.now() - stoppedAt).toBeLessThan(15_000)
})

test('a handler keeps its place until it ends, also when its event is lost', async () => {
  const { url, asked } = await fakeInbox(
    leasing(['a', 'b'], ({ path }) =>
      path.includes('0.a/extend') ? refused(409, 'LEASE_LOST') : 'usual',
    ),
  )
  const lost: string[] = []
  let working = 0
  const most: number[] = []
  const { stop, outcome } = consume(
    url,
    async ({ event_id }) => {
      most.push(++working)
      await sleep(event_id === 'a' ? 1_500 : 500)
      working--
    },
    { onLost: ({ event_id }) => lost.push(event_id) },
  )
  await expect.poll(() => lost).toEqual(['a'])
  await expect.poll(() => most.length).toBe(2)
  stop()
  expect(await outcome).toBe('resolved')
  expect(working).toBe(0)
  expect(most).toEqual([1, 1])
  expect(asked(/settle/).flatMap(({ body }) => body.ack)).toEqual(['b'])
})

test('resolves only when the handler of a lost event has ended', async () => {
  const { url } = await fakeInbox(
    leasing(['a'], ({ path }) => (path.endsWith('/extend') ? refused(409, 'LEASE_LOST') : 'usual')),
  )
  let hasEnded = false
  const { stop, outcome } = consume(url, async (_, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    stop()
    await sleep(500)
    hasEnded = true
  })
  expect(await outcome).toBe('resolved')
  expect(hasEnded).toBe(true)
})

test('what a listener throws ends the consumer, when its handlers have ended', async () => {
  const isLost = leasing(['a'], ({ path }) =>
    path.endsWith('/extend') ? refused(409, 'LEASE_LOST') : 'usual',
  )
  const isAway = leasing(['a'], ({ path }) =>
    path.endsWith('/extend') ? refused(400, 'ODD') : 'usual',
  )
  for (const answers of [isLost, isAway]) {
    const { url } = await fakeInbox(answers)
    let hasEnded = false
    const oops = () => {
      throw new Error('oops')
    }
    const { outcome } = consume(
      url,
      async () => {
        await sleep(1_000)
        hasEnded = true
      },
      { onLost: oops, onError: async () => oops() },
    )
    expect(await outcome).toMatchObject({ message: 'oops' })
    expect(hasEnded).toBe(true)
  }
})

test('pauses when it gives back whatever it gets', async () => {
  const ids = Array.from({ length: 100 }, (_, n) => `e-${n}`)
  const { url, asked } = await fakeInbox(leasing(ids))
  const { stop, outcome } = consume(url, () => {
    throw new Release()
  })
  await sleep(1_500)
  stop()
  expect(await outcome).toBe('resolved')
  expect(asked(/claim/).length).toBeLessThan(10)
})
