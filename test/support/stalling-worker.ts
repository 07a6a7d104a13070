import worker, { EventShard as Shard } from '../../worker'

/**
 * The real worker; at /stall/d1 and /stall/shards it makes that silent, at /stall/slow D1 slow. At /asked it tells how often D1 was
 * asked.
 */
const silent = { d1: false, shards: false, slow: false }
const SLOW_MS = 300
let asked = 0

const never = new Promise<never>(() => {})

export class EventShard extends Shard {
  override raiseShardCount(count: number) {
    return silent.shards ? scheduler.wait(60_000).then(() => never) : super.raiseShardCount(count)
  }
}

/** Its statements are the real ones, but for their answer while it is silent. */
function counted(db: D1Database): D1Database {
  return new Proxy(db, {
    get(target, name) {
      if (name === 'prepare') {
        asked++
        if (silent.d1) return () => ({ bind: () => ({ all: () => scheduler.wait(60_000) }) })
        if (silent.slow)
          return (sql: string) => ({
            bind: (...values: unknown[]) => ({
              all: async () => {
                await scheduler.wait(SLOW_MS)
                return target
                  .prepare(sql)
                  .bind(...values)
                  .all()
              },
            }),
          })
      }
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

export default {
  ...worker,
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    if (pathname === '/asked') return Response.json(asked)
    if (pathname.startsWith('/stall/')) {
      silent.d1 = pathname.endsWith('d1')
      silent.shards = pathname.endsWith('shards')
      silent.slow = pathname.endsWith('slow')
      return Response.json(silent)
    }
    return worker.fetch(request as never, { ...env, DB: counted(env.DB) }, ctx)
  },
} satisfies ExportedHandler<Env, string>
