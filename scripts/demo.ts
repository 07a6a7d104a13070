/**
 * Posts a varied stream of events to a running inbox for a bounded time.
 * It acknowledges most of them and fails some, so that a newcomer sees the page alive.
 * @example npm run demo -- [--url http://localhost:8787] [--token dev-token] [--seconds 60] [--rate 10]
 */
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { InboxError } from '../client/index.ts'
import { fail, failBy, INBOX_OPTIONS, inboxAt } from './inbox.ts'

const { values } = parseArgs({
  options: {
    ...INBOX_OPTIONS,
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '10' },
  },
})
const seconds = within('seconds', values.seconds, 3_600)
const rate = within('rate', values.rate, 200)
const inbox = inboxAt(values)

function within(name: string, text: string, most: number): number {
  const value = Number(text)
  if (value > 0 && value <= most) return value
  fail(`--${name} must be a number above 0, and ${most} at most, not "${text}".`)
}

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

const tally = { accepted: 0, acknowledged: 0, failed: 0, busy: 0 }

/** A busy inbox answers with these statuses. */
const BUSY = [429, 503]
/** The inbox answers with these statuses when somebody else has changed the event meanwhile. */
const CHANGED = [404, 409]

/** Waits for an answer. @returns nothing when the inbox is busy, or the event was changed by somebody else */
async function answered<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof InboxError)) throw error
    if (BUSY.includes(error.status)) tally.busy++
    else if (!CHANGED.includes(error.status)) failBy(error, values)
    return undefined
  }
}

async function oneEvent(): Promise<void> {
  const { kind, payload, metadata } = pick(KINDS)()
  const event_id = `${kind}-${randomUUID().slice(0, 13)}`
  if (!(await answered(inbox.send({ event_id, payload, metadata })))) return
  tally.accepted++
  const fate = randomInt(100)
  if (fate < 72 && (await answered(inbox.ack(event_id)))) tally.acknowledged++
  if (fate < 96) return
  const error = pick(REASONS)
  for (let nack = 0; nack < 3; nack++) {
    const moved = await answered(inbox.nack(event_id, { error }))
    if (moved?.status === 'failed') tally.failed++
    if (moved?.status !== 'pending') return
  }
}

/** The script begins events, and shows the time left, at this interval. */
const TICK_MS = 500
const MOST_UNDER_WAY = 200
const endsAt = Date.now() + seconds * 1_000

function report(state: string): void {
  const { accepted, acknowledged, failed, busy } = tally
  const refused = busy > 0 ? `, ${busy} refused as the inbox is busy` : ''
  const line = `${accepted} accepted, ${acknowledged} acknowledged, ${failed} failed${refused}; ${state}`
  process.stdout.write(`\r${line.padEnd(79)}`)
}

function countDown(): void {
  report(`${Math.max(0, Math.ceil((endsAt - Date.now()) / 1_000))} s left`)
}

countDown()
const timer = setInterval(countDown, TICK_MS)
const underWay = new Set<Promise<void>>()
while (Date.now() < endsAt) {
  const some = Math.max(1, Math.round((rate * (0.5 + Math.random()) * TICK_MS) / 1_000))
  // The loop does not wait for the events, because a slow inbox must not stop the clock.
  for (let begun = 0; begun < some && underWay.size < MOST_UNDER_WAY; begun++) {
    const event = oneEvent().finally(() => underWay.delete(event))
    underWay.add(event)
  }
  await sleep(Math.min(TICK_MS, Math.max(0, endsAt - Date.now())))
}
await Promise.all(underWay)
clearInterval(timer)
report('done')
console.log()
if (tally.accepted === 0) fail('Nothing was accepted. The log of the inbox says why.')
