import worker, { EventShard as Shard } from '../../worker'
import { aroundD1, type Sent } from './around-d1'

/** The real worker, in which a test moves the clock, holds things back, slows them or has them fail, by POST /steer. */
export interface Steering {
  /** What `Date.now()` is ahead of the machine's clock. */
  shiftMs: number
  /** Whether `Date.now()` stands still. */
  clockStands: boolean
  /** The moment at which it stands, in milliseconds since 1970; 0 for the present one. */
  standAt: number
  /** What waits until it is not named here any more. */
  hold: Point[]
  /** How much longer each query of D1 takes, half of it before and half of it after D1 looks. */
  readMs: number
  /** Writes to D1 land, and fail all the same. */
  loseAnswers: boolean
  /** What goes wrong in calls of shards, by method: `ack` in all of them, `shard-1.ack` in that one. */
  faults: Record<string, Fault>
}

/** Commits of accepted events; queries and writes on their way to D1; D1's answers to writes that it has done. */
type Point = 'commits' | 'reads' | 'writes' | 'answers'

type Fault =
  /** The object is reset before the call, or once it has done what it was called for. */
  | 'reset'
  | 'reset after'
  /** The call throws, as a mistake in it would; `sendBatch` does so before the queue has the messages. */
  | 'throw'
  /** The call waits until there are other faults; `sendBatch` does so once the queue has the messages. */
  | 'hold'
  /** The call takes SLOW_MS longer. */
  | 'slow'
  /** The clock jumps JUMP_MS ahead when the call is done, and stays there. */
  | 'jump'

const SLOW_MS = 200
const JUMP_MS = 4 * 60_000
const UNSTEERED: Steering = {
  shiftMs: 0,
  clockStands: false,
  standAt: 0,
  hold: [],
  readMs: 0,
  loseAnswers: false,
  faults: {},
}
const steering = { ...UNSTEERED }

/** How much waits at each point, and how many calls a fault holds, at this moment; how many queries D1 has had so far. */
export type Seen = Record<Point | 'queries' | 'letterQueries' | 'calls', number>

const seen: Seen = {
  commits: 0,
  reads: 0,
  writes: 0,
  answers: 0,
  calls: 0,
  queries: 0,
  letterQueries: 0,
}

const machineNow = Date.now.bind(Date)
const shiftedNow = () => machineNow() + steering.shiftMs
/** 0 while the clock goes. */
let stoodAt = 0
Date.now = () => stoodAt || shiftedNow()

const wait = scheduler.wait.bind(scheduler)
// A shard puts its commits off by this.
scheduler.wait = async (...args) => {
  await pass('commits')
  return wait(...args)
}

async function pass(point: Point): Promise<void> {
  seen[point]++
  while (steering.hold.includes(point)) await wait(5)
  seen[point]--
}

const steered = (env: Env): Env => ({ ...env, DB: aroundD1(env.DB, aroundCall) })

function aroundCall<T>(sent: Sent[], perform: () => Promise<T>): Promise<T> {
  const [{ sql } = { sql: '' }] = sent
  if (sql.includes('INTO fences')) return write(perform)
  return /^\s*(SELECT|WITH)\b/.test(sql) ? read(sql, perform) : perform()
}

async function write<T>(perform: () => Promise<T>): Promise<T> {
  await pass('writes')
  const { loseAnswers } = steering
  try {
    const answer = await perform()
    if (loseAnswers) throw new Error('the answer was lost')
    return answer
  } finally {
    await pass('answers')
  }
}

async function read<T>(sql: string, perform: () => Promise<T>): Promise<T> {
  seen.queries++
  await pass('reads')
  await wait(steering.readMs / 2)
  const found = await perform()
  if (sql.includes('FROM letters')) seen.letterQueries++
  await wait(steering.readMs / 2)
  return found
}

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    const fault = () => this.fault('sendBatch')
    const DLQ = new Proxy(env.DLQ, {
      get: (queue, name) =>
        name === 'sendBatch'
          ? async (...batch: Parameters<typeof queue.sendBatch>) => {
              if (fault() === 'throw') throw new Error('the queue is away, by a test')
              const sent = await queue.sendBatch(...batch)
              while (fault() === 'hold') await wait(5)
              return sent
            }
          : Reflect.get(queue, name),
    })
    super(ctx, { ...steered(env), DLQ })
  }

  protected fault(method: string): Fault | undefined {
    return steering.faults[`${this.ctx.id.name}.${method}`] ?? steering.faults[method]
  }

  protected async before(method: string): Promise<void> {
    const fault = this.fault(method)
    if (fault === 'reset') this.ctx.abort('reset by a test')
    if (fault === 'throw') throw new TypeError('a mistake, by a test')
    if (fault === 'slow') await wait(SLOW_MS)
    seen.calls++
    while (this.fault(method) === 'hold') await wait(5)
    seen.calls--
  }

  protected async after(method: string): Promise<void> {
    const fault = this.fault(method)
    if (fault === 'jump') steering.shiftMs += JUMP_MS
    if (fault !== 'reset after') return
    await this.ctx.storage.sync()
    this.ctx.abort('reset by a test')
  }

  static {
    for (const method of Object.getOwnPropertyNames(Shard.prototype)) {
      if (method === 'constructor' || method === 'alarm') continue
      const real = Reflect.get(Shard.prototype, method)
      const faulty = async function (shard: EventShard, args: unknown[]) {
        await shard.before(method)
        const result = await Reflect.apply(real, shard, args)
        await shard.after(method)
        return result
      }
      const value = function (this: EventShard, ...args: unknown[]) {
        return this.fault(method) ? faulty(this, args) : Reflect.apply(real, this, args)
      }
      Object.defineProperty(EventShard.prototype, method, { value })
    }
  }
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== '/steer')
      return worker.fetch(request as never, steered(env), ctx)
    Object.assign(steering, request.method === 'DELETE' ? UNSTEERED : await request.json())
    stoodAt = steering.clockStands ? steering.standAt || stoodAt || shiftedNow() : 0
    return Response.json(seen)
  },
  queue: (batch, env) => worker.queue(batch, steered(env)),
  scheduled: (controller, env) => worker.scheduled(controller, steered(env)),
} satisfies ExportedHandler<Env, string>
