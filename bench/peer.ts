import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers'

/**
 * What an event inbox is often built of: a queue, a workflow, D1 and KV.
 * Each event takes a workflow of three steps and a row in D1; the counters are in KV. There is no authentication, and
 * as little code as it takes.
 */
interface PeerEnv {
  QUEUE: Queue<StoredEvent>
  STORE: Workflow<StoredEvent>
  DB: D1Database
  COUNTERS: KVNamespace
}

interface StoredEvent {
  event_id: string
  payload: string
  metadata: string | null
  created_at: string
}

export class StoreEvent extends WorkflowEntrypoint<PeerEnv, StoredEvent> {
  override async run({ payload: event }: WorkflowEvent<StoredEvent>, step: WorkflowStep) {
    await step.do('validate', async () => {
      JSON.parse(event.payload)
    })
    await step.do('store', async () => {
      await this.env.DB.prepare(
        `INSERT INTO events (event_id, payload, metadata, status, created_at, updated_at)
         VALUES (?, ?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING`,
      )
        .bind(
          event.event_id,
          event.payload,
          event.metadata,
          event.created_at,
          new Date().toISOString(),
        )
        .run()
    })
    // This loses counts when two do it at once; KV offers nothing better.
    await step.do('count', async () => {
      const total = Number(await this.env.COUNTERS.get('pending'))
      await this.env.COUNTERS.put('pending', String(total + 1))
    })
  }
}

export default {
  async fetch(request, env) {
    const { payload, metadata } = await request.json<{ payload: object; metadata?: object }>()
    const event_id = crypto.randomUUID()
    await env.QUEUE.send({
      event_id,
      payload: JSON.stringify(payload),
      metadata: metadata ? JSON.stringify(metadata) : null,
      created_at: new Date().toISOString(),
    })
    return Response.json({ data: { event_id, status: 'accepted' } }, { status: 202 })
  },
  async queue(batch, env) {
    await env.STORE.createBatch(
      batch.messages.map(({ body }) => ({ id: body.event_id, params: body })),
    )
  },
} satisfies ExportedHandler<PeerEnv, StoredEvent>
