import chaos, { EventShard as Shard, aWhile, strikes } from './chaos-worker'

/** The worker of `chaos-worker.ts`, whose clock jumps as well, and in which calls about leases are late, lost or cut off. */

/** Longer than a worker waits for a shard: it has answered, and then the call is performed. */
const LATE_MS = 5_500

/** What Date.now() is ahead. */
let ahead = 0
const machineNow = Date.now.bind(Date)
Date.now = () => machineNow() + ahead

const METHODS = ['claim', 'settle', 'extend', 'ack', 'nack', 'retry', 'remove'] as const

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    const { storage } = ctx
    const { setAlarm, getAlarm } = storage
    // Alarms go by the machine's clock.
    storage.setAlarm = (at) => setAlarm.call(storage, Number(at) - ahead)
    storage.getAlarm = async () => {
      const at = await getAlarm.call(storage)
      return at === null ? null : at + ahead
    }
    super(ctx, env)
  }

  /** Performs a call as a network does, and as an object that may crash at any time. */
  async unreliably<T>(what: string, perform: () => Promise<T>): Promise<T> {
    if (strikes(`crash before ${what}`, 0.01)) this.crash()
    if (strikes(`${what} slow`, 0.03)) await aWhile()
    if (strikes(`${what} too late`, 0.002)) await scheduler.wait(LATE_MS)
    const answer = await perform()
    if (strikes(`crash after ${what}`, 0.02)) {
      await this.ctx.storage.sync()
      this.crash()
    }
    if (strikes(`${what} answers late`, 0.03)) await aWhile()
    if (strikes(`${what} answers too late`, 0.002)) await scheduler.wait(LATE_MS)
    return answer
  }

  static {
    for (const method of METHODS) {
      const real = Reflect.get(Shard.prototype, method)
      const value = function (this: EventShard, ...args: unknown[]) {
        return this.unreliably(method, () => Reflect.apply(real, this, args))
      }
      Object.defineProperty(EventShard.prototype, method, { value })
    }
  }
}

export default {
  ...chaos,
  fetch(request, env, ctx) {
    const url = new URL(request.url)
    if (url.pathname !== '/chaos/jump') return chaos.fetch(request, env, ctx)
    ahead += Number(url.searchParams.get('ms'))
    return Response.json(ahead)
  },
} satisfies ExportedHandler<Env, string>
