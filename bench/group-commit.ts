import { DurableObject } from 'cloudflare:workers'

interface Waiting {
  event_id: string
  body: string
  committed: () => void
}

/** Does the same as `durable.ts`, but calls that arrive together share one transaction. */
export class GroupCommit extends DurableObject<unknown> {
  #sql = this.ctx.storage.sql
  #waiting: Waiting[] = []

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env)
    this.#sql.exec('CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT)')
  }

  accept(event_id: string, body: string): Promise<void> {
    return new Promise((committed) => {
      if (this.#waiting.push({ event_id, body, committed }) === 1)
        setTimeout(() => this.#commit(), 0)
    })
  }

  #commit(): void {
    const group = this.#waiting.splice(0)
    this.ctx.storage.transactionSync(() => {
      for (const { event_id, body } of group)
        this.#sql.exec('INSERT INTO events VALUES (?, ?)', event_id, body)
    })
    for (const { committed } of group) committed()
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
} satisfies ExportedHandler<{ SHARD: DurableObjectNamespace<GroupCommit> }>
