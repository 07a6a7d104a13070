import { type EventStatus, INBOX, STATUSES } from '../shared/event'
import { LIMITS } from '../shared/limits'
import type { EventRow } from './events'
import { PREVIEW_COLUMNS, type PreviewBody } from './preview'
import { readRows } from './reader'

/** This module writes the SQL of `GET /inbox`. It binds every value, and splices in only names from these lists. */

export const SORTS = ['created_at', 'event_id', 'updated_at', 'retry_count'] as const
export type Sort = (typeof SORTS)[number]
export const BODIES = ['full', 'preview'] as const
export type Value = string | number
/** A place in a sort order: the value that is sorted by, and the event id. */
export type Position = [Value, string]

/** Keeps events whose payload or metadata has this value at this JSON path. */
export interface MemberFilter {
  column: 'payload' | 'metadata'
  path: string
  value: string
}

/** Says which events to list, in what order, and which part of them. */
export interface Listing {
  statuses: readonly EventStatus[]
  /** ISO 8601; `from` is included, `to` is not. */
  from: string | null
  to: string | null
  minRetries: number | null
  maxRetries: number | null
  members: MemberFilter[]
  eventId: string | null
  correlationId: string | null
  /** The name of one that took the event when it came. */
  subscription: string | null
  sort: Sort
  descending: boolean
  limit: number
  offset: number
  /** The page begins after this place. */
  after: Position | null
  /** Whether rows have whole bodies, or only the beginnings of them. */
  body: (typeof BODIES)[number]
}

export interface Statement {
  sql: string
  bindings: Value[]
}

export interface InboxStatements {
  /** Reads the page's rows, each with its `position`. `found` is more than the rows when another page follows. */
  page: Statement
  /**
   * Reads where the scan stopped, when there were more candidates than it may look at.
   * It is null when an index serves the whole listing.
   */
  scanEnd: Statement | null
  /** Says where the total comes from: the counters of these statuses, or this statement. Null means no total. */
  total: { counters: readonly EventStatus[] } | { count: Statement } | null
}

/** Writes the statements that a listing takes. */
export function inboxStatements(listing: Listing): InboxStatements {
  const { statuses, sort, descending, limit, offset, after } = listing
  const bindings: Value[] = []
  const bind = (value: Value) => `?${bindings.push(value)}`
  const condition = (start: string, value: Value | null) =>
    value === null ? [] : [`${start} ${bind(value)}`]
  const within = [
    ...condition('created_at >=', listing.from),
    ...condition('created_at <', listing.to),
    ...condition('event_id =', listing.eventId),
  ]
  const match = [
    ...condition('retry_count >=', listing.minRetries),
    ...condition('retry_count <=', listing.maxRetries),
    ...condition('correlation_id IS', listing.correlationId),
    ...(listing.subscription === null ? [] : [isTakenBy(listing.subscription, bind)]),
    ...listing.members.map(({ column, path, value }) => matches(column, bind(path), bind(value))),
  ].join(' AND ')

  const direction = descending ? 'DESC' : 'ASC'
  const order = `ORDER BY ${sort === 'event_id' ? '' : `${sort} ${direction}, `}event_id ${direction}`
  const beyond = after
    ? [`(${sort}, event_id) ${descending ? '<' : '>'} (${bind(after[0])}, ${bind(after[1])})`]
    : []
  // There is one SELECT for each status, and SQLite merges them in order: each reads its part of the index only as far
  // as the page needs.
  const arms =
    statuses.length === STATUSES.length
      ? ['']
      : statuses.map((status) => `status = ${bind(status)}`)
  const select = (columns: string, conditions: string[]) =>
    arms
      .map((arm) => `SELECT ${columns} FROM events${where([arm, ...conditions])}`)
      .join(' UNION ALL ')
  const sorted = (columns: string, conditions: string[], rest: string) =>
    `${select(columns, conditions)} ${order} ${rest}`

  const size = 'octet_length(payload) + coalesce(octet_length(metadata), 0) AS size'
  const keys = [...new Set([sort, 'event_id'])].join(', ')
  const limits = `LIMIT ${bind(limit + 1)} OFFSET ${bind(offset)}`
  const unread = [...within, ...beyond]
  const scan = `LIMIT ${LIMITS.PAGE_SCAN}`
  const candidates = match
    ? `SELECT ${keys}, size FROM (${sorted(`${keys}, ${size}, (${match}) AS matched`, unread, scan)})
       WHERE matched ${limits}`
    : sorted(`${keys}, ${size}`, unread, limits)
  const columns = 'event_id, status, retry_count, created_at, updated_at, position, found'
  // JSON functions and whole bodies only ever meet the rows of the page.
  const [bodies, fits] =
    listing.body === 'preview'
      ? [PREVIEW_COLUMNS, '']
      : ['payload, metadata', ` AND bytes <= ${LIMITS.PAGE_BYTES}`]
  const page = `
    WITH page AS MATERIALIZED (${candidates}),
    running AS (
      SELECT event_id, row_number() OVER sorted AS position, sum(size) OVER sorted AS bytes,
        count(*) OVER () AS found
      FROM page WINDOW sorted AS (${order}))
    SELECT ${columns}, ${bodies} FROM running JOIN events USING (event_id)
    WHERE position = 1 OR (position <= ${bind(limit)}${fits})`
  const scanEnd = sorted(keys, unread, `LIMIT 1 OFFSET ${LIMITS.PAGE_SCAN - 1}`)

  return {
    page: { sql: page, bindings },
    scanEnd: match ? used(scanEnd, bindings) : null,
    total: total(),
  }

  function total(): InboxStatements['total'] {
    if (within.length === 0 && !match) return { counters: statuses }
    if (!match) {
      const counts = select('count(*) AS n', within)
      return { count: used(`SELECT sum(n) AS total FROM (${counts})`, bindings) }
    }
    const most = LIMITS.PAGE_SCAN
    const looked = sorted(`${keys}, (${match}) AS matched`, within, `LIMIT ${most + 1}`)
    const count = `
      SELECT CASE WHEN count(*) <= ${most} THEN coalesce(sum(matched), 0) END AS total FROM (${looked})`
    return { count: used(count, bindings) }
  }
}

/** Writes the condition that a subscription took the event. In the JSON array, each name stands between quotes. */
function isTakenBy(name: string, bind: (value: Value) => string): string {
  return `coalesce(instr(subscriptions, ${bind(`"${name}"`)}) > 0, ${Number(name === INBOX)})`
}

/**
 * Writes the condition that a member has a value.
 * A JSON string equals its text, a number its text or its value, and true, false and null their names.
 */
function matches(column: string, path: string, value: string): string {
  return `CASE json_type(${column}, ${path})
    WHEN 'text' THEN ${column} ->> ${path} = ${value}
    WHEN 'integer' THEN ${sameNumber(column, path, value)}
    WHEN 'real' THEN ${sameNumber(column, path, value)}
    ELSE coalesce(json_type(${column}, ${path}) = ${value} AND ${value} IN ('true', 'false', 'null'), 0) END`
}

function sameNumber(column: string, path: string, value: string): string {
  const isNumber = `json_valid(${value}) AND json_type(${value}) IN ('integer', 'real')`
  const isEqual = `CAST(${value} AS REAL) = CAST(${column} ->> ${path} AS REAL)`
  return `${column} -> ${path} = ${value} OR (CASE WHEN ${isNumber} THEN ${isEqual} ELSE 0 END)`
}

function where(conditions: string[]): string {
  const given = conditions.filter(Boolean)
  return given.length > 0 ? ` WHERE ${given.join(' AND ')}` : ''
}

/** Keeps only the bindings that a statement uses, and renumbers them. D1 fails on bindings that it does not name. */
function used(sql: string, all: Value[]): Statement {
  const numbers = [...new Set([...sql.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)))]
  return {
    sql: sql.replace(/\?(\d+)/g, (_, number: string) => `?${numbers.indexOf(Number(number)) + 1}`),
    bindings: numbers.map((number) => all[number - 1] ?? ''),
  }
}

type Placed = { position: number; found: number }
export type FullRow = EventRow & Placed
export type PreviewRow = Omit<EventRow, 'payload' | 'metadata'> & PreviewBody & Placed
export type PageRow = FullRow | PreviewRow

/** Reads the rows of a page, in order. @throws HttpError 503 when D1 does not answer */
export async function readPage(db: D1Database, { sql, bindings }: Statement): Promise<PageRow[]> {
  const rows = await readRows<PageRow>(db, sql, bindings)
  return rows.toSorted((a, b) => a.position - b.position)
}

/** Reads the only row of a statement, if there is one. @throws HttpError 503 when D1 does not answer */
export async function readOne<Row>(
  db: D1Database,
  { sql, bindings }: Statement,
): Promise<Row | undefined> {
  const [row] = await readRows<Row>(db, sql, bindings)
  return row
}
