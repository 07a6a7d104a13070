import { type EventRow, readRows, storedEvent } from '../d1/reader'
import type { Flushed, Untold } from '../shared/outcomes'
import { eventNotFound, namedEvent } from './actions'
import { eventResponse, eventToJson, jsonText, members, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { type InboxQuery, parseInboxQuery } from './inbox-query'
import { totals } from './metrics'
import { askAllShards, findInShards } from './shards'
/** GET /inbox: what D1 holds once every shard has written out what it held. */
export async function getInbox(request: InboxRequest, env: Env): Promise<Response> {
  const query = parseInboxQuery(new URL(request.url).searchParams)
  const flushed = query.readYourWrites
    ? await askAllShards(env, (shard, count) => shard.flush(count))
    : undefined
  const [rows, total] = await Promise.all([readPage(env, query), totalOf(env, query, flushed)])
  const data = rows.map((row) => eventToJson(storedEvent(row))).join(',')
  const { limit, offset } = query
  const next_cursor = await nextCursor(env, query, rows)
  return jsonText(
    `{"data":[${data}],${members({ total, limit, offset, next_cursor, ...untoldIn(flushed), timestamp: now() })}}`,
  )
}

/** GET /inbox/:id: the event as its shard knows it at this moment, 404 when there is none. */
export async function getEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = namedEvent(request)
  const [held] = await findInShards(env, [event_id], async (shard) => [await shard.get(event_id)])
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
async function totalOf(
  env: Env,
  { total }: InboxQuery,
  flushed: Flushed[] | undefined,
): Promise<number | null | undefined> {
  if (!total) return undefined
  if ('count' in total) {
    const [row] = await readRows<{ total: number | null }>(
      env.DB,
      total.count.sql,
      total.count.bindings,
    )
    return row?.total ?? null
  }
  const counts = flushed?.map((each) => each.counts) ?? [await totals(env)]
  return total.counters.reduce((all, status) => all + sumOf(counts, (each) => each[status]), 0)
}

/** What D1 has still not been told of what the shards held; nothing when nobody asked them. */
function untoldIn(flushed: Flushed[] | undefined): Untold | undefined {
  return (
    flushed && {
      unstored: sumOf(flushed, ({ unstored }) => unstored),
      stale: sumOf(flushed, ({ stale }) => stale),
    }
  )
}

function sumOf<Each>(all: Each[], pick: (each: Each) => number): number {
  return all.reduce((sum, each) => sum + pick(each), 0)
}
