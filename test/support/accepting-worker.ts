import type { NewEvent } from '../../shared/event'
import worker, { EventShard as Shard } from '../../worker'

/** The real worker; beside it, at /accepted, the events that its shards were given since that was last asked. */
const accepted: NewEvent[] = []

export class EventShard extends Shard {
  override accept(...args: Parameters<Shard['accept']>) {
    accepted.push(...args[0])
    return super.accept(...args)
  }
}

export default {
  ...worker,
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === '/accepted') return Response.json(accepted.splice(0))
    return worker.fetch(request as never, env, ctx)
  },
} satisfies ExportedHandler<Env, string>
