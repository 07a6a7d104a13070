import { type EventRow, readRows, storedEvent } from '../d1/reader'
import type { Untold } from '../shared/outcomes'
import { eventNotFound, namedEvent } from './actions'
import { eventResponse, eventToJson, jsonText, members, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { type InboxQuery, parseInboxQuery } from './inbox-query'
import { totals } from './metrics'
import { allShards, askByShard } from './shards'
/** GET /inbox: what D1 holds once every shard has written out what it held. */
export async function getInbox(request: InboxRequest, env: Env): Promise<Response> {
  const query = parseInboxQuery(new URL(request.url).searchParams)
  const untold = query.readYourWrites ? await flushAll(env) : undefined
  const [rows, total] = await Promise.all([readPage(env, query), totalOf(env, query)])
  const data = rows.map((row) => eventToJson(storedEvent(row))).join(',')
  const { limit, offset } = query
  const next_cursor = await nextCursor(env, query, rows)
  return jsonText(
    `{"data":[${data}],${members({ total, limit, offset, next_cursor, ...untold, timestamp: now() })}}`,
  )
}

/** GET /inbox/:id: the event as its shard knows it at this moment, 404 when there is none. */
export async function getEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = namedEvent(request)
  const [held] = await askByShard(
    env,
    [event_id],
    String,
    async (shard) => [await shard.get(event_id)],
    (found) => found === null,
  )
  if (!held) throw eventNotFound(event_id)
  const { status, created_at, updated_at, retry_count, body } = held
  if (body) return eventResponse({ event_id, ...body, status, created_at, updated_at, retry_count })
  const [row] = await readRows<EventRow>(env.DB, 'SELECT * FROM events WHERE event_id = ?', [
    event_id,
  ])
  if (!row) throw eventNotFound(event_id)
  const stored = storedEvent(row)
  return eventResponse({
    ...stored,
    status,
    retry_count,
    updated_at: Math.max(stored.updated_at, updated_at),
  })
}

type PageRow = EventRow & { position: number; found: number }

async function readPage(env: Env, { page }: InboxQuery): Promise<PageRow[]> {
  const rows = await readRows<PageRow>(env.DB, page.sql, page.bindings)
  return rows.toSorted((a, b) => a.position - b.position)
}

async function nextCursor(
  env: Env,
  { scanEnd, cursorAfter }: InboxQuery,
  rows: PageRow[],
): Promise<string | null> {
  const last = rows.at(-1)
  if (last && last.found > rows.length) return cursorAfter(last)
  const [end] = scanEnd ? await readRows<EventRow>(env.DB, scanEnd.sql, scanEnd.bindings) : []
  return end ? cursorAfter(end) : null
}

/** Undefined when nobody asked for it, null when counting it would read too much. */
async function totalOf(env: Env, { total }: InboxQuery): Promise<number | null | undefined> {
  if (!total) return undefined
  if ('count' in total) {
    const [row] = await readRows<{ total: number | null }>(
      env.DB,
      total.count.sql,
      total.count.bindings,
    )
    return row?.total ?? null
  }
  const counts = await totals(env)
  return total.counters.reduce((sum, status) => sum + counts[status], 0)
}

/** Has every shard write out what it holds now. @returns what D1 has still not been told of it */
async function flushAll(env: Env): Promise<Untold> {
  const flushed = await Promise.all((await allShards(env)).map((shard) => shard.flush()))
  return {
    unstored: flushed.reduce((sum, { unstored }) => sum + unstored, 0),
    stale: flushed.reduce((sum, { stale }) => sum + stale, 0),
  }
}
