import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LeaseClients, NAMES } from '../support/lease-clients'
import { type Final, LeaseHistory } from '../support/lease-history'
import { randomOf } from '../support/random'
import { startServer, storageFolder } from '../support/server-process'

const KILLS = 3
const CONSUMERS = 8
const OPERATORS = 3
const EVENTS = 80
/** Held by one consumer while the server is killed and comes back. */
const KEPT = 20
const LONG_SECONDS = 3_600
const MOST_ATTEMPTS = 4

const SUBSCRIPTIONS = JSON.stringify(
  [...NAMES, 'kept'].map((name) => ({
    name,
    ...(name === 'kept' && { filter: { 'payload.color': name } }),
    ...(['red', 'blue'].includes(name) && { filter: { 'payload.color': [name, 'both'] } }),
    max_attempts: MOST_ATTEMPTS,
    retry_seconds: [0, 1],
  })),
)

type Server = Awaited<ReturnType<typeof startServer>>

/** What a consumer still holds, by token, and what it has acked with it. */
type Kept = Map<string, { open: string[]; acked: string[] }>

/** Posts events and claims them for long; a part of them is acked. */
async function keep(server: Server, round: number): Promise<Kept> {
  const events = Array.from({ length: KEPT }, (_, index) => ({
    event_id: `kept-${round}-${index}`,
    payload: { color: 'kept' },
  }))
  expect((await server.post(events)).status).toBe(202)
  const kept: Kept = new Map()
  for (let left = KEPT; left > 0;) {
    const wish = { subscription: 'kept', limit: 7, lease_seconds: LONG_SECONDS }
    const { body } = await server.claim(wish)
    const ids = body.data.map(({ event_id }) => event_id)
    expect(body.data.map(({ attempt }) => attempt)).toEqual(ids.map(() => 1))
    if (!body.lease) throw new Error(`${left} of the events that were just posted are not there`)
    left -= ids.length
    const acked = ids.slice(0, 2)
    expect((await server.settle(body.lease.token, { ack: acked })).status).toBe(200)
    kept.set(body.lease.token, { open: ids.slice(2), acked })
  }
  return kept
}

/** After the server has come back nobody else gets them, and their tokens do what they did before. */
async function expectKept(server: Server, kept: Kept): Promise<void> {
  expect((await server.claim({ subscription: 'kept' })).body.data).toEqual([])
  for (const [token, { open, acked }] of kept) {
    if (open.length > 0)
      expect((await server.extend(token, LONG_SECONDS)).body.data.event_ids).toEqual(open)
    const { status, body } = await server.settle(token, { ack: [...acked, ...open] })
    expect(status).toBe(200)
    expect(body.data.map((each) => each.status)).toEqual([...acked, ...open].map(() => 'acked'))
  }
}

test(`a server killed ${KILLS} times keeps every lease, and gives no event to two`, async () => {
  const folder = storageFolder()
  const flags = ['--var', `SUBSCRIPTIONS:${SUBSCRIPTIONS}`]
  let server: Server | null = null
  // What the kill cuts off is not answered.
  const call: Server['call'] = async (...request) => {
    const unanswered = { status: 599, headers: new Headers(), text: '', body: {} as never }
    return (await server?.call<never>(...request).catch(() => null)) ?? unanswered
  }
  const clients = new LeaseClients({ call }, randomOf(Math.random() * 2 ** 31), EVENTS)
  const wallAt = Date.now() - performance.now()
  let kept: Kept = new Map()
  for (let round = 0; round < KILLS; round++) {
    server = await startServer(folder, flags)
    await expectKept(server, kept)
    kept = await keep(server, round)
    let isAlive = true
    const lane = async (act: () => Promise<void>) => {
      while (isAlive) await act()
    }
    const lanes = [
      ...Array.from({ length: CONSUMERS }, () => lane(() => clients.consume())),
      ...Array.from({ length: OPERATORS }, () => lane(() => clients.operate())),
    ]
    await setTimeout(1_500 + Math.random() * 1_500)
    isAlive = false
    await server.stop('SIGKILL')
    await Promise.all(lanes)
  }

  server = await startServer(folder, flags)
  const last = server
  await expectKept(last, kept)
  const open = async () => {
    const drained = await Promise.all(NAMES.map((name) => clients.drain(name)))
    const subscriptions = await last.client.subscriptions()
    return subscriptions.reduce((sum, each) => sum + each.open, 0) + Math.max(...drained)
  }
  await expect.poll(open, { timeout: 60_000, interval: 200 }).toBe(0)
  const finals = new Map<string, Final>()
  for (const id of clients.ids) {
    const { status, body } = await last.get(`/inbox/${id}`)
    const found = { n: Number(body.data?.payload?.n), status: body.data?.status }
    finals.set(id, status === 200 ? found : undefined)
  }
  const history = new LeaseHistory(clients.happenings, {
    maxAttempts: () => MOST_ATTEMPTS,
    maxExpiries: 10,
    // One that was cut off is never performed.
    claimLandsWithin: 10_000,
    shardClockAt: (moment) => wallAt + moment + 500,
  })
  expect(history.violations().join('\n')).toBe('')
  expect(history.endings(finals).join('\n')).toBe('')
  expect((await last.verify()).differences).toEqual([])
  console.info(`${KILLS} kills`, clients.answers, clients.outcomes)
  await last.stop()
}, 300_000)
