import { test as base, expect } from 'vitest'
import { createTestHarness, type TestHarness, unstable_readConfig } from 'wrangler'
import { Inbox as Client } from '../../client/inbox'
import type * as T from '../../client/types'
import { checked } from './openapi'
import { applySchema } from './schema'

export const SHARDS = 2
export const AUTHORIZED = { Authorization: 'Bearer dev-token' }

/** What JSON answers have that tests look at; each of them has some of it. */
type Body<Data> = Omit<Required<T.Problem & T.EventPage & T.Claimed>, 'data'> & {
  data: Data
}

/** What `GET /metrics?verify=1` says. */
type Verification = T.Metrics &
  Required<
    Pick<T.Metrics, 'verified' | 'behind' | 'moving' | 'differences' | 'resent_dead_letters'>
  >

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
    async withoutD1<Done>(work: () => Promise<Done>): Promise<Done> {
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
      let found = await client.verify()
      const left = async () => {
        if (found.behind.length + found.moving.length > 0) found = await client.verify()
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

/** Speaks to a server with the development token: by the library, or by `call` where tests want the answer itself. */
export function clientOf(url: URL) {
  const client = new Client({ url, token: 'dev-token', repeats: 0, fetch: checked })
  /** Text goes as it is, as JSON; bytes go as they are, and need a Content-Type; anything else is made JSON. */
  async function call<Data = T.InboxEvent>(
    method: string,
    path: string,
    body?: unknown,
    given: Record<string, string> = {},
  ) {
    const headers = new Headers(AUTHORIZED)
    const isBytes = body instanceof Uint8Array
    if (body !== undefined && !isBytes) headers.set('Content-Type', 'application/json')
    for (const [name, value] of Object.entries(given)) headers.set(name, value)
    const response = await checked(new URL(path, url).href, {
      method,
      headers,
      body: isBytes || typeof body === 'string' ? body : (JSON.stringify(body) ?? null),
    })
    const text = await response.text()
    const answered: Body<Data> = text.startsWith('{') ? JSON.parse(text) : {}
    return { status: response.status, headers: response.headers, text, body: answered }
  }
  return {
    url,
    client,
    call,
    get: <Data = T.InboxEvent>(path: string) => call<Data>('GET', path),
    /** Posts an event. */
    post: (body: unknown, headers?: Record<string, string>) =>
      call<T.Moved>('POST', '/events', body, headers),
    /** Posts an event with this id and an empty payload. */
    postId: async (event_id: string) => {
      const { status } = await call('POST', '/events', { event_id, payload: { event_id } })
      expect(status).toBe(202)
      return event_id
    },
    ack: (id: string) => call<T.Moved>('POST', `/inbox/${id}/ack`),
    nack: (id: string, error?: string) =>
      call<T.Moved>('POST', `/inbox/${id}/nack`, error === undefined ? undefined : { error }),
    retry: (id: string) => call<T.Moved>('POST', `/inbox/${id}/retry`),
    claim: (wish: object = {}) => call<T.ClaimedEvent[]>('POST', '/inbox/claim', wish),
    settle: (token: string, said: object) =>
      call<T.SettleResult[]>('POST', `/leases/${token}/settle`, said),
    extend: (token: string, lease_seconds: number) =>
      call<T.Extended>('POST', `/leases/${token}/extend`, { lease_seconds }),
    metrics: () => client.metrics(),
    verify: () => client.metrics({ verify: true }) as Promise<Verification>,
    /** The counts of a subscription. */
    subscription: (name = 'inbox') => client.subscription(name),
    /** What happened to an event. */
    story: (id: string) => client.timeline(id),
    event: (id: string) => client.get(id),
    deadLetters: async () => (await client.deadLetters({ limit: 1_000 })).data,
    /** Resolves once D1 has been told of every accepted event. */
    drained: () => expect.poll(async () => (await client.metrics()).queue_depth).toBe(0),
  }
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
