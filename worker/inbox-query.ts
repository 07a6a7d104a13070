import { type EventStatus, isEventId, STATUSES } from '../shared/event'
import { fnv1a } from '../shared/hash'
import { LIMITS } from '../shared/limits'
import { readParameters } from './http/parameters'
import { isDay } from './http/time'

/** Turns the parameters of `GET /inbox` into SQL and bindings. No I/O. Every value is bound; only names from these lists are spliced in. */

export const DEFAULT_LIMIT = 50

const PARAMETERS = [
  'status',
  'from',
  'to',
  'created_date',
  'min_retries',
  'max_retries',
  'sort',
  'order',
  'limit',
  'offset',
  'cursor',
  'count',
  'consistency',
]
const PREFIXES = ['payload.', 'metadata.']
const FILTERS = ['status', 'from', 'to', 'created_date', 'min_retries', 'max_retries']
const SORTS = ['created_at', 'event_id', 'updated_at', 'retry_count'] as const
const DAY_MS = 24 * 60 * 60 * 1_000

type Sort = (typeof SORTS)[number]
type Value = string | number
/** A place in a sort order: the sorted-by value and the event id. */
type Position = [Value, string]

export interface Statement {
  sql: string
  bindings: Value[]
}

export interface InboxQuery {
  limit: number
  offset: number
  /** Whether the shards are asked to write out first. */
  readYourWrites: boolean
  /** Rows of the page, each with its `position` and how many were `found`: more than there are rows when there is a next page. */
  page: Statement
  /** Where the scan stopped, when not all candidates could be looked at; null when an index answers everything. */
  scanEnd: Statement | null
  /** How the total comes about: from the counters of these statuses, from this statement, or not at all. */
  total: { counters: readonly EventStatus[] } | { count: Statement } | null
  /** The cursor that goes on behind this event. */
  cursorAfter(event: Record<Sort, Value>): string
}

/** @throws HttpError 400 that names every wrong parameter */
export function parseInboxQuery(given: URLSearchParams): InboxQuery {
  const params = new URLSearchParams([...given].map(([name, value]) => [plainName(name), value]))
  const read = readParameters(params, PARAMETERS, PREFIXES)
  const sort = read.choice('sort', SORTS)
  const descending = read.choice('order', ['desc', 'asc']) === 'desc'
  const limit = read.integer('limit', DEFAULT_LIMIT, 1, LIMITS.PAGE_EVENTS)
  const offset = read.integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  const counted = read.choice('count', ['true', 'false']) === 'true'
  const readYourWrites = read.choice('consistency', ['strong', 'eventual']) === 'strong'

  const filters = [...params].filter(
    ([name]) => FILTERS.includes(name) || PREFIXES.some((prefix) => name.startsWith(prefix)),
  )
  if (filters.length > LIMITS.QUERY_FILTERS)
    read.complain(
      filters[LIMITS.QUERY_FILTERS]?.[0] ?? '',
      `is one filter too many; at most ${LIMITS.QUERY_FILTERS} are allowed`,
    )

  const bindings: Value[] = []
  const bind = (value: Value) => `?${bindings.push(value)}`
  const statuses = readStatuses(read)
  const { from, to } = readTimes(read)
  const indexed: string[] = []
  if (from !== null) indexed.push(`created_at >= ${bind(from)}`)
  if (to !== null) indexed.push(`created_at < ${bind(to)}`)
  const scanned: string[] = []
  const least = read.integer('min_retries', null, 0, 1_000_000_000)
  const most = read.integer('max_retries', null, 0, 1_000_000_000)
  if (least !== null) scanned.push(`retry_count >= ${bind(least)}`)
  if (most !== null) scanned.push(`retry_count <= ${bind(most)}`)
  if (least !== null && most !== null && least > most)
    read.complain('max_retries', 'must not be below min_retries')
  for (const [name, value] of filters) {
    const path = readPath(read, name, value)
    if (path) scanned.push(matches(path.column, bind(path.path), bind(value)))
  }

  // The order of filters is no matter, their values are.
  const identity = fnv1a(JSON.stringify([sort, descending, filters.toSorted()])).toString(36)
  const start = readCursor(read, sort, identity)
  if (start && read.text('offset') !== null)
    read.complain('offset', 'cannot be combined with cursor')
  read.done()

  const direction = descending ? 'DESC' : 'ASC'
  const order = `ORDER BY ${sort === 'event_id' ? '' : `${sort} ${direction}, `}event_id ${direction}`
  const unstarted = [...indexed]
  if (start)
    indexed.push(
      `(${sort}, event_id) ${descending ? '<' : '>'} (${bind(start[0])}, ${bind(start[1])})`,
    )

  // One arm a status, merged in order: each reads its part of the index only as far as the page needs.
  const arms =
    statuses.length === STATUSES.length
      ? ['']
      : statuses.map((status) => `status = ${bind(status)}`)
  const select = (columns: string, conditions: string[]) =>
    arms
      .map((arm) => `SELECT ${columns} FROM events${where([arm, ...conditions])}`)
      .join(' UNION ALL ')
  const from_ = (columns: string, conditions: string[], rest: string) =>
    `${select(columns, conditions)} ${order} ${rest}`

  const size = 'octet_length(payload) + coalesce(octet_length(metadata), 0) AS size'
  const keys = [...new Set([sort, 'event_id'])].join(', ')
  const limits = `LIMIT ${bind(limit + 1)} OFFSET ${bind(offset)}`
  const match = scanned.join(' AND ')
  const candidates = match
    ? `SELECT ${keys}, size FROM (${from_(`${keys}, ${size}, (${match}) AS matched`, indexed, `LIMIT ${LIMITS.PAGE_SCAN}`)}) WHERE matched ${limits}`
    : from_(`${keys}, ${size}`, indexed, limits)
  const page = `
    WITH page AS MATERIALIZED (${candidates}),
    running AS (
      SELECT event_id, row_number() OVER sorted AS position, sum(size) OVER sorted AS bytes, count(*) OVER () AS found
      FROM page WINDOW sorted AS (${order}))
    SELECT events.*, position, found FROM running JOIN events USING (event_id)
    WHERE position = 1 OR (position <= ${bind(limit)} AND bytes <= ${LIMITS.PAGE_BYTES})`

  return {
    limit,
    offset,
    readYourWrites,
    page: { sql: page, bindings },
    scanEnd: match
      ? used(from_(keys, indexed, `LIMIT 1 OFFSET ${LIMITS.PAGE_SCAN - 1}`), bindings)
      : null,
    total: totalOf(),
    cursorAfter: (event) => encode([identity, event[sort], String(event.event_id)]),
  }

  function totalOf(): InboxQuery['total'] {
    if (!counted) return null
    if (unstarted.length === 0 && !match) return { counters: statuses }
    if (!match)
      return {
        count: used(
          `SELECT sum(n) AS total FROM (${select('count(*) AS n', unstarted)})`,
          bindings,
        ),
      }
    const looked = from_(
      `${keys}, (${match}) AS matched`,
      unstarted,
      `LIMIT ${LIMITS.PAGE_SCAN + 1}`,
    )
    return {
      count: used(
        `SELECT CASE WHEN count(*) <= ${LIMITS.PAGE_SCAN} THEN coalesce(sum(matched), 0) END AS total FROM (${looked})`,
        bindings,
      ),
    }
  }
}

/**
 * The plain name of a filter that is written as OpenAPI clients write members of an object (`deepObject`):
 * `filter[payload.a.b]` and `filter[payload][a][b]` are both `payload.a.b`. Any other name stays as it is.
 */
function plainName(name: string): string {
  const inner = /^filter((?:\[[^[\]]*\])+)$/.exec(name)?.[1]?.slice(1, -1).replaceAll('][', '.')
  return inner && PREFIXES.some((prefix) => inner.startsWith(prefix)) ? inner : name
}

type Reader = ReturnType<typeof readParameters>

function readStatuses(read: Reader): readonly EventStatus[] {
  const wanted = read.text('status')?.split(',')
  if (!wanted) return STATUSES
  const statuses = STATUSES.filter((status) => wanted.includes(status))
  if (statuses.length !== new Set(wanted).size)
    read.complain('status', `must be one or more of ${STATUSES.join(', ')}, separated by commas`)
  return statuses
}

/** `from` is included, `to` is not. */
function readTimes(read: Reader): { from: string | null; to: string | null } {
  const time = (name: string) => {
    const text = read.text(name)
    if (text === null) return null
    const at = parseTime(text)
    if (at === null)
      read.complain(
        name,
        'must be an ISO 8601 date or time with its offset, such as 2026-11-21 or 2026-11-21T08:30:00Z',
      )
    return at
  }
  const from = time('from')
  const to = time('to')
  if (from !== null && to !== null && to < from) read.complain('to', 'must not be before from')
  const date = read.text('created_date')
  if (date === null)
    return { from: from === null ? null : isoOf(from), to: to === null ? null : isoOf(to) }
  const day = date.length === 10 ? parseTime(date) : null
  if (day === null) read.complain('created_date', 'must be a date such as 2026-11-21, in UTC')
  if (from !== null || to !== null)
    read.complain('created_date', 'cannot be combined with from or to')
  return { from: isoOf(day ?? 0), to: isoOf((day ?? 0) + DAY_MS) }
}

/** Milliseconds since 1970, or null for what is no date or time. A date is midnight UTC. */
export function parseTime(text: string): number | null {
  // A "+" that was not percent-encoded arrives as a blank.
  const found = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+ -]\d\d:\d\d))?$/.exec(text)
  const date = found?.[1]
  if (!date) return null
  const at = Date.parse(text.replace(' ', '+'))
  return Number.isNaN(at) || !isDay(date) || !/^\d{4}-/.test(isoOf(at)) ? null : at
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** The JSON path of a `payload.<key>` or `metadata.<key>` parameter. */
function readPath(
  read: Reader,
  name: string,
  value: string,
): { column: string; path: string } | null {
  const [column = '', ...keys] = name.split('.')
  if (column !== 'payload' && column !== 'metadata') return null
  if (
    keys.length > LIMITS.QUERY_PATH_DEPTH ||
    !keys.every((key) => /^[A-Za-z0-9_-]{1,64}$/.test(key))
  ) {
    read.complain(
      name,
      `must name 1 to ${LIMITS.QUERY_PATH_DEPTH} keys of A-Z a-z 0-9 _ -, separated by dots`,
    )
    return null
  }
  if (value.length > LIMITS.QUERY_VALUE_LENGTH)
    read.complain(name, `must be at most ${LIMITS.QUERY_VALUE_LENGTH} characters`)
  return { column, path: `$${keys.map((key) => `."${key}"`).join('')}` }
}

/** A JSON string equals its text; a number its text or its value; true, false and null their names. */
function matches(column: string, path: string, value: string): string {
  return `CASE json_type(${column}, ${path})
    WHEN 'text' THEN ${column} ->> ${path} = ${value}
    WHEN 'integer' THEN ${sameNumber(column, path, value)}
    WHEN 'real' THEN ${sameNumber(column, path, value)}
    ELSE coalesce(json_type(${column}, ${path}) = ${value} AND ${value} IN ('true', 'false', 'null'), 0) END`
}

function sameNumber(column: string, path: string, value: string): string {
  const isNumber = `json_valid(${value}) AND json_type(${value}) IN ('integer', 'real')`
  return `${column} -> ${path} = ${value} OR (CASE WHEN ${isNumber} THEN CAST(${value} AS REAL) = CAST(${column} ->> ${path} AS REAL) ELSE 0 END)`
}

function readCursor(read: Reader, sort: Sort, identity: string): Position | null {
  const text = read.text('cursor')
  if (text === null) return null
  const [wanted, value, id] = decode(text)
  const isValue = typeof value === (sort === 'retry_count' ? 'number' : 'string')
  if (!isValue || !isEventId(id)) {
    read.complain('cursor', 'is not one that this inbox made; start again without it')
    return null
  }
  if (wanted !== identity)
    read.complain(
      'cursor',
      'belongs to other filters or another sort; repeat those, or start again without it',
    )
  return [value as Value, id]
}

function encode(values: Value[]): string {
  return btoa(JSON.stringify(values)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function decode(text: string): unknown[] {
  try {
    const values: unknown = JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/')))
    return Array.isArray(values) ? values : []
  } catch {
    return []
  }
}

function where(conditions: string[]): string {
  const given = conditions.filter(Boolean)
  return given.length > 0 ? ` WHERE ${given.join(' AND ')}` : ''
}

/** The statement with just the bindings it uses, numbered anew: D1 refuses more than a statement names. */
function used(sql: string, all: Value[]): Statement {
  const numbers = [...new Set([...sql.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)))]
  return {
    sql: sql.replace(/\?(\d+)/g, (_, number: string) => `?${numbers.indexOf(Number(number)) + 1}`),
    bindings: numbers.map((number) => all[number - 1] ?? ''),
  }
}
