import { DurableObject } from 'cloudflare:workers'

/**
 * Shows the least that a durable answer costs.
 * That is one call and one transaction (which the runtime puts around it) with one insert. There is no authentication,
 * no check for duplicates, no counter and no D1.
 */
export class Durable extends DurableObject<unknown> {
  #sql = this.ctx.storage.sql

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env)
    this.#sql.exec('CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT)')
  }

  async accept(event_id: string, body: string): Promise<void> {
    this.#sql.exec('INSERT INTO events VALUES (?, ?)', event_id, body)
  }
}

const SHARDS = 2
let requests = 0

export default {
  async fetch(request, env) {
    const event_id = crypto.randomUUID()
    const body = JSON.stringify(await request.json())
    await env.SHARD.getByName(`shard-${requests++ % SHARDS}`).accept(event_id, body)
    return Response.json({ data: { event_id, status: 'accepted' } }, { status: 202 })
  },
} satisfies ExportedHandler<{ SHARD: DurableObjectNamespace<Durable> }>
