import { type EventRow, readEvent } from '../d1/events'
import { type PageRow, readOne, readPage } from '../d1/inbox'
import { shownMembers, takerNames } from '../d1/preview'
import { isoTime } from '../shared/event'
import { jsonOf, JsonText } from '../shared/json'
import type { Flushed, HeldEvent, Untold } from '../shared/outcomes'
import { eventNotFound, namedEvent } from './actions'
import { eventResponse, eventToJson, json, jsonText, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { readParameters } from './http/parameters'
import { type InboxQuery, parseInboxQuery } from './inbox-query'
import { totals } from './metrics'
import { askAllShards, findInShards } from './shards'

/** Answers GET /inbox with what D1 has once every shard has told it what it held. */
export async function getInbox(request: InboxRequest, env: Env): Promise<Response> {
  const query = parseInboxQuery(new URL(request.url).searchParams)
  const flushed = query.readYourWrites
    ? await askAllShards(env, (shard, count) => shard.flush(count))
    : undefined
  const [rows, total] = await Promise.all([
    readPage(env.DB, query.page),
    totalOf(env, query, flushed),
  ])
  const data = new JsonText(`[${rows.map(rowToJson).join(',')}]`)
  const { limit, offset } = query
  const next_cursor = await nextCursor(env, query, rows)
  const told = { ...untoldIn(flushed), timestamp: now() }
  return jsonText(jsonOf({ data, total, limit, offset, next_cursor, ...told }))
}

/**
 * Answers GET /inbox/:id with the event as its shard has it at this moment, 404 when there is none.
 * With `include=timeline` it also tells what happened to it, and what its subscriptions do with it now. With `body=none`
 * it tells what the shard knows only, and costs no read of D1.
 */
export async function getEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = namedEvent(request)
  const read = readParameters(new URL(request.url).searchParams, ['include', 'body'])
  const withStory = read.choice('include', ['event', 'timeline']) === 'timeline'
  const withBody = read.choice('body', ['full', 'none']) === 'full'
  read.done()
  const [held] = await findInShards(env, [event_id], async (shard) => [
    await shard.get(event_id, withStory),
  ])
  if (!held) throw eventNotFound(event_id)
  const { status, retry_count, body } = held
  const [created_at, updated_at] = [isoTime(held.created_at), isoTime(held.updated_at)]
  const story = withStory ? storyToJson(held) : undefined
  if (!withBody) {
    const state = { event_id, status, retry_count, created_at, updated_at }
    return json({ data: { ...state, ...story }, timestamp: now() })
  }
  if (body)
    return eventResponse({ event_id, ...body, status, created_at, updated_at, retry_count }, story)
  const row = await readEvent(env.DB, event_id)
  if (!row) throw eventNotFound(event_id)
  const latest = row.updated_at > updated_at ? row.updated_at : updated_at
  return eventResponse({ ...row, status, retry_count, updated_at: latest }, story)
}

/** What happened to an event, oldest first, and what its subscriptions do with it. */
function storyToJson({ created_at, correlation_id, accepted_by, story }: HeldEvent) {
  const { dropped = 0, happened = [], takers = [] } = story ?? {}
  const accepted = { at: isoTime(created_at), what: 'accepted', by: accepted_by ?? null }
  const timeline = happened.map(({ at, claimed_at, ...rest }) => ({
    at: isoTime(at),
    ...rest,
    ...(claimed_at != null && { claimed_at: isoTime(claimed_at) }),
  }))
  const subscriptions = takers.map(({ visible_at, ...taker }) => ({
    ...taker,
    visible_at: visible_at === null ? null : isoTime(visible_at),
  }))
  return {
    correlation_id,
    subscriptions,
    timeline: [accepted, ...timeline],
    timeline_dropped: dropped,
  }
}

/** Writes a row of a listing as JSON text. */
function rowToJson(row: PageRow): string {
  if ('payload' in row) return eventToJson(row)
  const { event_id, status, retry_count, created_at, updated_at } = row
  const { payload_preview, payload_bytes, metadata_preview, metadata_bytes } = row
  const event = { event_id, status, retry_count, created_at, updated_at }
  const body = { payload_preview, payload_bytes, metadata_preview, metadata_bytes }
  const found = { members: shownMembers(row), subscriptions: takerNames(row) }
  return JSON.stringify({ ...event, ...body, ...found })
}

async function nextCursor(
  env: Env,
  { scanEnd, cursorAfter }: InboxQuery,
  rows: PageRow[],
): Promise<string | null> {
  const last = rows.at(-1)
  if (last && last.found > rows.length) return cursorAfter(last)
  const end = scanEnd ? await readOne<EventRow>(env.DB, scanEnd) : undefined
  return end ? cursorAfter(end) : null
}

/** Returns the total. It is undefined when the request asked for none, null when counting would read too much. */
async function totalOf(
  env: Env,
  { total }: InboxQuery,
  flushed: Flushed[] | undefined,
): Promise<number | null | undefined> {
  if (!total) return undefined
  if ('count' in total) {
    const row = await readOne<{ total: number | null }>(env.DB, total.count)
    return row?.total ?? null
  }
  const known = flushed?.flatMap((each) => each.counts ?? [])
  const counts = known && known.length === flushed?.length ? known : [await totals(env)]
  return total.counters.reduce((all, status) => all + sumOf(counts, (each) => each[status]), 0)
}

/** Sums up what D1 has still not been told of what the shards held; undefined when they were not asked. */
function untoldIn(flushed: Flushed[] | undefined): Untold | undefined {
  return (
    flushed && {
      unstored: sumOf(flushed, ({ unstored }) => unstored),
      stale: sumOf(flushed, ({ stale = 0 }) => stale),
    }
  )
}

function sumOf<Each>(all: Each[], pick: (each: Each) => number): number {
  return all.reduce((sum, each) => sum + pick(each), 0)
}
