/**
 * Measures how fast cron prunes, alone and while posts come in, and how much slower the posts get.
 * @example npm run bench:prune -- --events 100000 --rate 200
 */
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machine } from './report.ts'
import { INBOX_OPTIONS, load, type Load, start, until, withSchema } from './runtime.ts'
import { clientOf, EVENT, fill } from './workload.ts'

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    rate: { type: 'string', default: '200' },
  },
})
const EVENTS = Number(flags.events)
const RATE = Number(flags.rate)
const SECONDS = 10
const { assets: _, ...options } = INBOX_OPTIONS
// With this retention an event expires a second after it was delivered.
const bindings = { ...options.bindings, RETENTION_DAYS: '0.00001' }
const inbox = await withSchema(await start('inbox', 'worker.ts', { ...options, bindings }))
const database = await inbox.database()
const client = clientOf(inbox)

async function count(status: string): Promise<number> {
  const sql = 'SELECT count(*) AS n FROM events WHERE status = ?'
  return Number(await database.prepare(sql).bind(status).first('n'))
}

async function addDelivered(): Promise<void> {
  for (let from = 0; from < EVENTS; from += 1_000) await client.ackMany(await fill(inbox, 1_000))
  await until(async () => (await count('delivered')) === EVENTS)
  await setTimeout(1_500)
}

/** Runs cron until D1 has no expired event left. @returns what it did, in words */
async function prune(): Promise<string> {
  const worker = await inbox.miniflare.getWorker(inbox.name)
  const startedAt = performance.now()
  await worker.scheduled({ cron: '*/5 * * * *' })
  const removedMs = performance.now() - startedAt
  await until(async () => (await count('delivered')) === 0)
  const rate = Math.round((EVENTS / (performance.now() - startedAt)) * 1_000)
  return `${rate} events a second pruned, ${(removedMs / 1_000).toFixed(1)} s in all`
}

const posts = () => load(inbox.url, EVENT, SECONDS, 64, RATE)
const told = ({ rate, p50, p99 }: Load) =>
  `${rate.toFixed(0)} posts a second, p50 ${p50} ms, p99 ${p99} ms`

console.log(`${machine()}\n${EVENTS} expired events, 2 shards\n`)
await addDelivered()
console.log(`alone: ${await prune()}`)
console.log(`no pruning: ${told(await posts())}`)
await addDelivered()
const [pruned, meanwhile] = await Promise.all([prune(), posts()])
console.log(`both: ${pruned}; ${told(meanwhile)}`)
await inbox.stop()
