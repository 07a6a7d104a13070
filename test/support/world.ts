import { test as base, expect } from 'vitest'
import { createTestHarness, type TestHarness, unstable_readConfig } from 'wrangler'
import { checkExchange } from './openapi'
import { applySchema } from './schema'

export const SHARDS = 2
export const AUTHORIZED = { Authorization: 'Bearer dev-token' }

export interface Answer<T> {
  status: number
  headers: Headers
  text: string
  body: T
}

/** The members of every JSON answer that tests look at; each answer has some of them. */
export interface Body<Data> {
  data: Data
  total: number
  limit: number
  unstored: number
  stale: number
  code: string
  detail: string
  status: number
  correlation_id: string
  created_at: string
  event_status: string
  lease: { token: string; expires_at: string } | null
  errors: { detail: string; pointer?: string; parameter?: string }[]
}

export interface InboxEvent {
  event_id: string
  status: string
  timestamp: string
  created_at: string
  updated_at: string
  retry_count: number
  payload: Record<string, unknown>
  metadata: Record<string, unknown> | null
}

export interface ClaimedEvent extends InboxEvent {
  attempt: number
}

export interface Story extends InboxEvent {
  subscriptions: {
    name: string
    status: string
    attempt: number | null
    visible_at: string | null
  }[]
  timeline: { at: string; what: string; by: string | null; [member: string]: unknown }[]
  timeline_dropped: number
}

export interface Subscription {
  name: string
  open: number
  ready: number
  leased: number
  scheduled: number
  oldest_ready_seconds: number
  claimed: number
  settled: number
  expired: number
  failed: number
  waiting: number
  leases: { lease: string; consumer: string | null; event_ids: string[]; expires_at: string }[]
}

export interface Metrics {
  total: number
  pending: number
  delivered: number
  failed: number
  queue_depth: number
  dlq_count: number
  last_processed_at: string | null
  processing_rate: number
  oldest_unstored_seconds: number
}

const configPath = 'wrangler.jsonc'

/** The worker with another file around it, which steers or watches it from within. */
function wrapped(main: string, vars: Record<string, string>) {
  const { env: _, ...config } = unstable_readConfig({ config: configPath })
  return { config: { ...config, main, vars: { ...config.vars, ...vars } } }
}

/**
 * The real worker, with its D1, shards, alarms, queue and assets in workerd, as `wrangler.jsonc` describes it.
 * Its storage starts empty.
 */
export const test = base
  .extend('vars', { scope: 'file' }, async (): Promise<Record<string, string>> => ({}))
  .extend('main', { scope: 'file' }, async (): Promise<string | null> => null)
  .extend('server', { scope: 'file' }, async ({ vars, main }, { onCleanup }) => {
    const server = createTestHarness({
      workers: [main ? wrapped(main, vars) : { configPath, vars }],
    })
    onCleanup(() => server.close())
    await server.listen()
    await applySchema((await server.getWorker<Env>().getEnv()).DB)
    return server
  })
  .extend('inbox', { scope: 'file' }, async ({ server }) => inboxOf(server))
  .extend('timeline', { auto: true }, async ({ server, task }, { onCleanup }) => {
    onCleanup(() => {
      if (task.result?.state === 'fail') server.debug()
    })
  })

export type Inbox = Awaited<ReturnType<typeof inboxOf>>

async function inboxOf(server: TestHarness) {
  const worker = server.getWorker<Env>()
  const { url } = await server.listen()
  const env = await worker.getEnv()
  const client = clientOf(url)
  return {
    ...client,
    db: env.DB,
    dlq: env.DLQ,
    /** One shard, as the worker calls it. */
    shard: (index: number) => env.SHARD.getByName(`shard-${index}`),
    shardId: (index: number) => env.SHARD.idFromName(`shard-${index}`).toString(),
    /** Rows of a query against one shard's own SQLite. */
    shardRows: async (index: number, sql: string, ...bindings: unknown[]) => {
      const storage = await worker.getDurableObjectStorage('SHARD', { name: `shard-${index}` })
      return storage.exec(sql, ...bindings)
    },
    /** Makes D1 really unusable while `work` runs: its table is not there. */
    async withoutD1<T>(work: () => Promise<T>): Promise<T> {
      await env.DB.exec('ALTER TABLE events RENAME TO events_away')
      try {
        return await work()
      } finally {
        await env.DB.exec('ALTER TABLE events_away RENAME TO events')
      }
    },
    /** From now on D1 refuses to insert, update or delete events for which `when`, about NEW or OLD, is true. */
    refuse: (verb: 'INSERT' | 'UPDATE' | 'DELETE', when: string) =>
      env.DB.exec(
        `CREATE TRIGGER refuse BEFORE ${verb} ON events WHEN ${when} BEGIN SELECT RAISE(ABORT, 'no'); END`,
      ),
    /** It refuses none of them any more. */
    takeAgain: () => env.DB.exec('DROP TRIGGER refuse'),
    /**
     * Starts every shard anew: it forgets how long it meant to wait for D1.
     * WebSockets sleep while it is not there, or are closed. It fails while anything else keeps a shard in memory.
     */
    async restartShards(webSockets: 'hibernate' | 'close' = 'close') {
      for (const id of await worker.listDurableObjectIds('SHARD'))
        await worker.evictDurableObject('SHARD', { id, webSockets })
    },
    /** The rows of D1's events table that a condition finds. */
    rows: async (where = 'true') =>
      (await env.DB.prepare(`SELECT * FROM events WHERE ${where}`).all<Row>()).results,
    /** Counters, rows and D1 agree, once D1 has been told of everything. */
    async expectVerified() {
      const verify = async () => (await client.get<Verification>('/metrics?verify=1')).body.data
      let found = await verify()
      const left = async () => {
        if (found.behind.length + found.moving.length > 0) found = await verify()
        return [...found.behind, ...found.moving]
      }
      await expect.poll(left).toEqual([])
      expect(found).toMatchObject({ verified: true, differences: [], resent_dead_letters: 0 })
    },
  }
}

export interface Row {
  event_id: string
  status: string
  retry_count: number
  payload: string
  metadata: string | null
  created_at: string
  updated_at: string
}

/** Later headers replace earlier ones, however they are written. */
function merged(...parts: (Record<string, string> | undefined)[]): Record<string, string> {
  const lower = parts.flatMap((part) =>
    Object.entries(part ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return Object.fromEntries(lower)
}

/** Speaks to a server with the development token. */
export function clientOf(url: URL) {
  /** A `body` that is no string goes as JSON. */
  async function call<Data = InboxEvent>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) {
    const sent = {
      method,
      url: new URL(path, url),
      headers: new Headers(
        merged(
          AUTHORIZED,
          body === undefined ? {} : { 'Content-Type': 'application/json' },
          headers,
        ),
      ),
      body: typeof body === 'string' ? body : body === undefined ? null : JSON.stringify(body),
    }
    const response = await fetch(sent.url, sent)
    const text = await response.text()
    checkExchange(sent, response, text)
    const answer: Answer<Body<Data>> = {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? JSON.parse(text) : {},
    }
    return answer
  }
  const metrics = async () => (await call<Metrics>('GET', '/metrics')).body.data
  return {
    url,
    call,
    metrics,
    get: <Data = InboxEvent>(path: string) => call<Data>('GET', path),
    /** Posts an event. */
    post: (body: unknown, headers?: Record<string, string>) =>
      call('POST', '/events', body, headers),
    /** Posts an event with this id and an empty payload. */
    postId: async (event_id: string) => {
      const { status } = await call('POST', '/events', { event_id, payload: { event_id } })
      expect(status).toBe(202)
      return event_id
    },
    ack: (id: string) => call('POST', `/inbox/${id}/ack`),
    nack: (id: string, error?: string) =>
      call('POST', `/inbox/${id}/nack`, error === undefined ? undefined : { error }),
    retry: (id: string) => call('POST', `/inbox/${id}/retry`),
    claim: (wish: object = {}) => call<ClaimedEvent[]>('POST', '/inbox/claim', wish),
    settle: (token: string, said: object) =>
      call<{ event_id: string; status: string }[]>('POST', `/leases/${token}/settle`, said),
    extend: (token: string, lease_seconds: number) =>
      call<{ expires_at: string; event_ids: string[] }>('POST', `/leases/${token}/extend`, {
        lease_seconds,
      }),
    /** The counts of a subscription. */
    subscription: async (name = 'inbox') =>
      (await call<Subscription>('GET', `/subscriptions/${name}`)).body.data,
    /** What happened to an event. */
    story: async (id: string) =>
      (await call<Story>('GET', `/inbox/${id}?include=timeline`)).body.data,
    event: async (id: string) => (await call('GET', `/inbox/${id}`)).body.data,
    deadLetters: async () => (await call<DeadLetter[]>('GET', '/dlq?limit=1000')).body.data,
    /** Resolves once D1 has been told of every accepted event. */
    drained: () => expect.poll(async () => (await metrics()).queue_depth).toBe(0),
  }
}

export interface Verification {
  verified: boolean
  behind: string[]
  moving: string[]
  differences: unknown[]
  resent_dead_letters: number
}

export interface DeadLetter {
  event_id: string
  subscription: string
  shard: string
  reason: string
  retry_count: number
  correlation_id: string
  failed_at: string
}

/** Runs `work` for 0 … count - 1, `concurrency` at a time. */
export async function inParallel(
  count: number,
  concurrency: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}
