import worker, { EventShard as Shard } from '../../worker'

/**
 * The real worker; beside it, at /faults, what goes wrong in its shards: a POST of `{"get": "throw", "shard-1.remove": "reset"}` replaces what
 * did before.
 */
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
let faults: Record<string, Fault> = {}

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    const fault = () => this.fault('sendBatch')
    const DLQ = new Proxy(env.DLQ, {
      get: (queue, name) =>
        name === 'sendBatch'
          ? async (...batch: Parameters<typeof queue.sendBatch>) => {
              if (fault() === 'throw') throw new Error('the queue is away, by a test')
              const sent = await queue.sendBatch(...batch)
              while (fault() === 'hold') await scheduler.wait(5)
              return sent
            }
          : Reflect.get(queue, name),
    })
    super(ctx, { ...env, DLQ })
  }

  protected fault(method: string): Fault | undefined {
    return faults[`${this.ctx.id.name}.${method}`] ?? faults[method]
  }

  protected async before(method: string): Promise<void> {
    const fault = this.fault(method)
    if (fault === 'reset') this.ctx.abort('reset by a test')
    if (fault === 'throw') throw new TypeError('a mistake, by a test')
    if (fault === 'slow') await scheduler.wait(SLOW_MS)
    while (this.fault(method) === 'hold') await scheduler.wait(5)
  }

  protected async after(method: string): Promise<void> {
    const fault = this.fault(method)
    if (fault === 'jump') {
      const { now } = Date
      Date.now = () => now() + JUMP_MS
    }
    if (fault !== 'reset after') return
    await this.ctx.storage.sync()
    this.ctx.abort('reset by a test')
  }

  static {
    for (const method of Object.getOwnPropertyNames(Shard.prototype)) {
      if (method === 'constructor' || method === 'alarm') continue
      const real = Reflect.get(Shard.prototype, method)
      const faulty = async function (this: EventShard, ...args: unknown[]) {
        await this.before(method)
        const result = await Reflect.apply(real, this, args)
        await this.after(method)
        return result
      }
      Object.defineProperty(EventShard.prototype, method, { value: faulty })
    }
  }
}

export default {
  ...worker,
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== '/faults') return worker.fetch(request as never, env, ctx)
    faults = await request.json()
    return Response.json(faults)
  },
} satisfies ExportedHandler<Env, string>
