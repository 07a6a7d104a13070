import worker, { EventShard as Shard } from '../../worker'
import { aroundD1 } from './around-d1'
import { randomOf } from './random'

/** The real worker on a platform that fails in every way it may. `/chaos` sets how often and counts it. */
let random = randomOf(0)

// Trouble fills the log faster than it is read while the test asks D1, which waits: then neither side would go on.
for (const write of ['debug', 'info', 'warn', 'error'] as const) console[write] = () => {}

/** 0 is a platform that works; 1 fails as often as the shares below say. */
let level = 0
let shardCount = 2
let formerCount = 2
const faults: Record<string, number> = {}
/** Every dead letter that the queue ever brought. */
const letters: string[] = []

/** Whether it goes wrong this time, for a `share` of all times. */
export function strikes(what: string, share = 0.04): boolean {
  if (random() >= share * level) return false
  faults[what] = (faults[what] ?? 0) + 1
  return true
}

const lost = () => new Error('D1_ERROR: Network connection lost.')
export const aWhile = (most = 600) => scheduler.wait(random() * most)

interface Trouble {
  what: string
  /** Ends the object that makes the call. */
  crash?: () => void
  /** Whether calls that were given up may still be performed. */
  landsLate?: boolean
}

/** Performs a call as a network does: not at all, late, or without the caller hearing of it. */
async function unreliably<T>(trouble: Trouble, perform: () => Promise<T>): Promise<T> {
  const { what, crash, landsLate } = trouble
  if (strikes(`${what} not called`)) throw lost()
  if (crash && strikes(`crash before ${what}`, 0.02)) crash()
  if (landsLate && strikes(`${what} called late`)) {
    void aWhile(1_500)
      .then(perform)
      .catch(() => {})
    throw lost()
  }
  if (strikes(`${what} slow`)) await aWhile()
  const answer = await perform()
  if (crash && strikes(`crash after ${what}`, 0.02)) crash()
  if (strikes(`${what} answers late`)) await aWhile()
  if (strikes(`${what}'s answer lost`)) throw lost()
  if (strikes(`${what} never answers`, 0.001)) await scheduler.wait(15_000)
  return answer
}

function unreliableD1(db: D1Database, trouble: Omit<Trouble, 'what'> = {}): D1Database {
  return aroundD1(db, (_, perform) => unreliably({ what: 'D1', ...trouble }, perform))
}

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    const crash = () => ctx.abort('chaos')
    const { DLQ } = env
    super(ctx, {
      ...env,
      DB: unreliableD1(env.DB, { crash, landsLate: true }),
      DLQ: new Proxy(DLQ, {
        get: () => (messages: MessageSendRequest<string>[]) =>
          unreliably({ what: 'the queue', crash }, () => DLQ.sendBatch(messages)),
      }),
    })
    const { storage } = ctx
    const transaction = storage.transactionSync.bind(storage)
    storage.transactionSync = (change) => {
      if (strikes('crash before a commit', 0.003)) crash()
      const result = transaction(change)
      if (strikes('crash after a commit', 0.003)) crash()
      return result
    }
  }

  crash(): void {
    this.ctx.abort('chaos')
  }

  /**
   * Has what backs off tried now: a minute would be too long for a test.
   * @returns what of it may still change its status
   */
  async hurry(): Promise<{ undecided: number; commits: number }> {
    const { sql } = this.ctx.storage
    sql.exec('UPDATE parked SET retry_at = 0 WHERE retry_at IS NOT NULL')
    await this.ctx.storage.setAlarm(Date.now())
    const waiting = sql.exec(
      "SELECT 1 FROM parked JOIN events USING (event_id) WHERE retry_at IS NOT NULL AND status = 'pending'",
    )
    const commits = sql.exec('SELECT 1 FROM journal').toArray().length
    return { undecided: waiting.toArray().length, commits }
  }
}

/** The environment as one of the workers has it: some have not heard of the last SHARD_COUNT yet. */
function envOf(env: Env): Env {
  const count = strikes('a worker of the deployment before', 0.05) ? formerCount : shardCount
  return { ...env, DB: unreliableD1(env.DB), SHARD_COUNT: String(count) }
}

/** Letters come reversed, twice, once more later, or are lost on their way and come again. */
async function deliver(bodies: string[], env: Env): Promise<boolean> {
  let isTaken = true
  const messages = bodies.map((body, index) => ({
    id: String(index),
    timestamp: new Date(),
    attempts: 1,
    body,
    ack() {},
    retry: () => void (isTaken = false),
  }))
  const batch = { queue: 'event-inbox-dlq', messages, ackAll() {}, retryAll() {} }
  await worker.queue(batch as unknown as MessageBatch<string>, envOf(env))
  return isTaken
}

async function takeLetters(batch: MessageBatch<string>, env: Env): Promise<void> {
  const bodies = batch.messages.map(({ body }) => body)
  letters.push(...bodies)
  if (strikes('letters reversed', 0.3)) bodies.reverse()
  if (strikes('letters twice', 0.2)) await deliver(bodies, env)
  if (strikes('letters once more', 0.2)) await deliver(letters.slice(-50).reverse(), env)
  if (!(await deliver(bodies, env)) || strikes('letters lost on their way', 0.1)) batch.retryAll()
}

async function control(url: URL, env: Env): Promise<unknown> {
  const given = (name: string, present: number) => Number(url.searchParams.get(name) ?? present)
  const shards = env.SHARD as unknown as DurableObjectNamespace<EventShard>
  const shard = (index: number) => shards.getByName(`shard-${index}`)
  const all = Array.from({ length: shardCount }, (_, index) => shard(index))
  switch (url.pathname) {
    case '/chaos/crash':
      return shard(given('shard', 0))
        .crash()
        .catch(() => null)
    case '/chaos/hurry':
      return Promise.all(all.map((each) => each.hurry()))
    case '/chaos/recount':
      // Nothing of one that crashes at this moment.
      return Promise.all(all.map((each) => each.recount().catch(() => null)))
    case '/chaos/sums':
      return Promise.all(all.map((each) => each.metrics()))
    case '/chaos/redeliver':
      return deliver(letters.toReversed(), env)
    case '/chaos/tend': {
      const RETENTION_DAYS = url.searchParams.get('days') ?? env.RETENTION_DAYS
      const controller = { cron: '', scheduledTime: Date.now(), noRetry() {} }
      return worker.scheduled(controller, { ...envOf(env), RETENTION_DAYS })
    }
  }
  if (url.searchParams.has('seed')) random = randomOf(given('seed', 0))
  if (url.searchParams.has('shards')) {
    formerCount = shardCount
    shardCount = given('shards', shardCount)
  }
  level = given('level', level)
  return faults
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url)
    if (url.pathname.startsWith('/chaos')) return Response.json((await control(url, env)) ?? null)
    return worker.fetch(request as never, envOf(env), ctx)
  },
  queue: takeLetters,
} satisfies ExportedHandler<Env, string>
