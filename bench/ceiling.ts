import { DurableObject } from 'cloudflare:workers'

/**
 * Shows the most that the runtime could do.
 * It reads the same JSON, makes one call to one of as many objects, and stores nothing.
 */
export class Empty extends DurableObject {
  async accept(_events: unknown[]): Promise<void> {}
}

const SHARDS = 2
let requests = 0

export default {
  async fetch(request, env) {
    const event = await request.json()
    await env.SHARD.getByName(`shard-${requests++ % SHARDS}`).accept([event])
    return Response.json({ data: { status: 'accepted' } }, { status: 202 })
  },
} satisfies ExportedHandler<{ SHARD: DurableObjectNamespace<Empty> }>
