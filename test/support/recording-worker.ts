import worker, { EventShard as Shard } from '../../worker'
import { aroundD1, type Sent } from './around-d1'

/** The real worker; beside it, at /sent, the statements that it and its shards sent to D1 since that was last asked. */
let sent: Sent[] = []

const recorded = (env: Env): Env => ({
  ...env,
  DB: aroundD1(env.DB, (statements, perform) => {
    sent.push(...statements)
    return perform()
  }),
})

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, recorded(env))
  }
}

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/sent') return Response.json(sent.splice(0))
    if (pathname === '/prune') {
      const controller = { cron: '', scheduledTime: Date.now(), noRetry() {} }
      const RETENTION_DAYS = searchParams.get('days') ?? ''
      await worker.scheduled(controller, { ...recorded(env), RETENTION_DAYS })
      return new Response()
    }
    return worker.fetch(request as never, recorded(env), ctx)
  },
  queue: (batch, env) => worker.queue(batch, recorded(env)),
} satisfies ExportedHandler<Env, string>
