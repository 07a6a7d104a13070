import {
  BODIES,
  inboxStatements,
  type InboxStatements,
  type MemberFilter,
  type Position,
  type Sort,
  SORTS,
  type Value,
} from '../d1/inbox'
import {
  CORRELATION_ID_RULE,
  EVENT_ID_RULE,
  type EventStatus,
  isCorrelationId,
  isEventId,
  isoTime,
  STATUSES,
} from '../shared/event'
import { fnv1a } from '../shared/hash'
import { LIMITS } from '../shared/limits'
import { isMemberName, MEMBER_PATH_RULE, memberPath } from '../shared/member-path'
import { readParameters } from './http/parameters'
import { isDay } from './http/time'
import { isSubscriptionName, NAME_RULE } from './lease-commands'

/** This module reads the parameters of `GET /inbox`. No I/O. */

export const DEFAULT_LIMIT = 50

const PARAMETERS = [
  'status',
  'from',
  'to',
  'created_date',
  'min_retries',
  'max_retries',
  'event_id',
  'correlation_id',
  'subscription',
  'sort',
  'order',
  'limit',
  'offset',
  'cursor',
  'count',
  'consistency',
  'body',
]
const PREFIXES = ['payload.', 'metadata.']
const FILTERS = [
  'status',
  'from',
  'to',
  'created_date',
  'min_retries',
  'max_retries',
  'event_id',
  'correlation_id',
  'subscription',
]
const DAY_MS = 24 * 60 * 60 * 1_000

export interface InboxQuery extends InboxStatements {
  limit: number
  offset: number
  /** Whether the shards are asked to tell D1 everything first. */
  readYourWrites: boolean
  /** Makes the cursor of the page that begins after this event. */
  cursorAfter(event: Record<Sort, Value>): string
}

/** Parses the query string of a listing. @throws HttpError 400 that names every wrong parameter */
export function parseInboxQuery(given: URLSearchParams): InboxQuery {
  const params = new URLSearchParams([...given].map(([name, value]) => [plainName(name), value]))
  const read = readParameters(params, PARAMETERS, PREFIXES)
  const sort = read.choice('sort', SORTS)
  const descending = read.choice('order', ['desc', 'asc']) === 'desc'
  const limit = read.integer('limit', DEFAULT_LIMIT, 1, LIMITS.PAGE_EVENTS)
  const offset = read.integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  const counted = read.choice('count', ['true', 'false']) === 'true'
  const body = read.choice('body', BODIES)
  const readYourWrites = read.choice('consistency', ['strong', 'eventual']) === 'strong'

  const filters = [...params].filter(
    ([name]) => FILTERS.includes(name) || PREFIXES.some((prefix) => name.startsWith(prefix)),
  )
  if (filters.length > LIMITS.QUERY_FILTERS)
    read.complain(
      filters[LIMITS.QUERY_FILTERS]?.[0] ?? '',
      `is one filter too many; at most ${LIMITS.QUERY_FILTERS} are allowed`,
    )

  const statuses = readStatuses(read)
  const times = readTimes(read)
  const minRetries = read.integer('min_retries', null, 0, 1_000_000_000)
  const maxRetries = read.integer('max_retries', null, 0, 1_000_000_000)
  if (minRetries !== null && maxRetries !== null && minRetries > maxRetries)
    read.complain('max_retries', 'must not be below min_retries')
  const eventId = readName(read, 'event_id', isEventId, EVENT_ID_RULE)
  const correlationId = readName(read, 'correlation_id', isCorrelationId, CORRELATION_ID_RULE)
  const subscription = readName(read, 'subscription', isSubscriptionName, NAME_RULE)
  const members = filters.flatMap(([name, value]) => readMember(read, name, value) ?? [])

  // A cursor belongs to these filters and this sort order; the order of the filters does not matter.
  const identity = fnv1a(JSON.stringify([sort, descending, filters.toSorted()])).toString(36)
  const after = readCursor(read, sort, identity)
  if (after && read.text('offset') !== null)
    read.complain('offset', 'cannot be combined with cursor')
  read.done()

  const names = { eventId, correlationId, subscription }
  const filter = { statuses, ...times, minRetries, maxRetries, ...names, members }
  const { page, scanEnd, total } = inboxStatements({
    ...filter,
    sort,
    descending,
    limit,
    offset,
    after,
    body,
  })
  return {
    limit,
    offset,
    readYourWrites,
    page,
    scanEnd,
    total: counted ? total : null,
    cursorAfter: (event) => encode([identity, event[sort], String(event.event_id)]),
  }
}

/**
 * Turns a filter's name as OpenAPI clients write it (`deepObject`) into its plain name.
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

/** Reads a value that is to be found as it is; null when none was given. */
function readName(
  read: Reader,
  parameter: string,
  isValid: (text: string) => boolean,
  rule: string,
): string | null {
  const text = read.text(parameter)
  if (text !== null && !isValid(text)) read.complain(parameter, rule)
  return text
}

/** Reads the bounds of `created_at`, in ISO 8601. `from` is included, `to` is not. */
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
    return { from: from === null ? null : isoTime(from), to: to === null ? null : isoTime(to) }
  const day = date.length === 10 ? parseTime(date) : null
  if (day === null) read.complain('created_date', 'must be a date such as 2026-11-21, in UTC')
  if (from !== null || to !== null)
    read.complain('created_date', 'cannot be combined with from or to')
  return { from: isoTime(day ?? 0), to: isoTime((day ?? 0) + DAY_MS) }
}

/** Parses a date or time to milliseconds since 1970, or null when it is neither. A date means midnight UTC. */
export function parseTime(text: string): number | null {
  // A "+" that was not percent-encoded arrives as a blank.
  const found = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+ -]\d\d:\d\d))?$/.exec(text)
  const date = found?.[1]
  if (!date) return null
  const at = Date.parse(text.replace(' ', '+'))
  return Number.isNaN(at) || !isDay(date) || !/^\d{4}-/.test(isoTime(at)) ? null : at
}

/** Reads a `payload.<key>` or `metadata.<key>` parameter as a filter; null for any other parameter. */
function readMember(read: Reader, name: string, value: string): MemberFilter | null {
  if (!isMemberName(name)) return null
  const member = memberPath(name)
  if (!member) {
    read.complain(name, MEMBER_PATH_RULE)
    return null
  }
  if (value.length > LIMITS.QUERY_VALUE_LENGTH)
    read.complain(name, `must be at most ${LIMITS.QUERY_VALUE_LENGTH} characters`)
  const path = `$${member.keys.map((key) => `."${key}"`).join('')}`
  return { column: member.part, path, value }
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
