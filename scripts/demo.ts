/**
 * `npm run demo -- [--url http://localhost:8787] [--seconds 60] [--rate 10]`: posts a varied stream of events to a running
 * inbox for a bounded time, acknowledges some and fails some, so that a newcomer sees the page alive.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://localhost:8787' },
    token: { type: 'string', default: 'dev-token' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '10' },
  },
})
const seconds = Math.min(3_600, Number(values.seconds))
const rate = Math.min(200, Number(values.rate))

const NAMES = ['Ada', 'Grace', 'Linus', 'Barbara', 'Edsger', 'Margaret', 'Ken', 'Frances']
const PRODUCTS = ['teapot', 'lamp', 'notebook', 'bicycle', 'umbrella']
const REASONS = ['card declined', 'address unknown', 'mail server timed out']
const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T

const KINDS = [
  () => ({
    kind: 'order',
    payload: {
      order: randomInt(10_000, 99_999),
      product: pick(PRODUCTS),
      amount: randomInt(500, 20_000) / 100,
      currency: 'EUR',
    },
    metadata: { source: 'shop' },
  }),
  () => ({
    kind: 'signup',
    payload: { user: randomUUID(), name: pick(NAMES), plan: pick(['free', 'team', 'company']) },
    metadata: { source: 'website', country: pick(['DE', 'FR', 'JP', 'BR']) },
  }),
  () => ({
    kind: 'webhook',
    payload: {
      provider: pick(['payments', 'mail', 'calendar']),
      type: pick(['created', 'updated', 'deleted']),
      id: randomInt(1_000_000),
    },
    metadata: { attempt: randomInt(1, 4) },
  }),
  () => ({
    kind: 'sensor',
    payload: { device: `d-${randomInt(40)}`, celsius: randomInt(-50, 350) / 10 },
    metadata: null,
  }),
]

async function call(method: string, path: string, body?: unknown): Promise<number> {
  const response = await fetch(new URL(path, values.url), {
    method,
    headers: { Authorization: `Bearer ${values.token}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  await response.arrayBuffer()
  return response.status
}

const tally = { accepted: 0, acknowledged: 0, failed: 0 }

async function oneEvent(): Promise<void> {
  const { kind, payload, metadata } = pick(KINDS)()
  const event_id = `${kind}-${randomUUID().slice(0, 8)}`
  if ((await call('POST', '/events', { event_id, payload, metadata })) !== 202) return
  tally.accepted++
  const fate = randomInt(100)
  if (fate < 72 && (await call('POST', `/inbox/${event_id}/ack`)) === 200) tally.acknowledged++
  if (fate >= 96) {
    const error = pick(REASONS)
    for (let nack = 0; nack < 3; nack++) await call('POST', `/inbox/${event_id}/nack`, { error })
    tally.failed++
  }
}

const startedAt = Date.now()
try {
  while (Date.now() - startedAt < seconds * 1_000) {
    const tick = Date.now()
    await Promise.all(
      Array.from({ length: Math.max(1, Math.round((rate * (0.5 + Math.random())) / 2)) }, oneEvent),
    )
    const left = Math.max(0, Math.ceil(seconds - (Date.now() - startedAt) / 1_000))
    process.stdout.write(
      `\r${tally.accepted} accepted, ${tally.acknowledged} acknowledged, ${tally.failed} failed; ${left} s left  `,
    )
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 500 - (Date.now() - tick))))
  }
  console.log()
} catch (error) {
  console.error(
    `\nThe inbox at ${values.url} does not answer (${String(error)}). Start it with "npm start".`,
  )
  process.exit(1)
}
