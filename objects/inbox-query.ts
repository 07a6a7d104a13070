import { type EventStatus, STATUSES } from './event'
import { readParameters } from './parameters'

export interface InboxQuery {
  /** Every status when none was asked for. */
  statuses: readonly EventStatus[]
  limit: number
  offset: number
  sql: string
  bindings: (string | number)[]
}

export const DEFAULT_LIMIT = 50
export const MAX_LIMIT = 1_000

/** The query a request asks for, newest first. Values are bound, never spliced in. @throws HttpError 400 that names every wrong parameter */
export function parseInboxQuery(params: URLSearchParams): InboxQuery {
  const read = readParameters(params, ['status', 'limit', 'offset'])
  const limit = read.integer('limit', DEFAULT_LIMIT, 1, MAX_LIMIT)
  const offset = read.integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  const wanted = read.text('status')?.split(',')
  const statuses = wanted ? STATUSES.filter((status) => wanted.includes(status)) : STATUSES
  if (wanted && statuses.length !== new Set(wanted).size) {
    read.complain('status', `must be one or more of ${STATUSES.join(', ')}, separated by commas`)
  }
  read.done()
  const where = wanted ? `WHERE status IN (${statuses.map(() => '?').join(', ')})` : ''
  return {
    statuses,
    limit,
    offset,
    sql: `SELECT * FROM events ${where} ORDER BY created_at DESC, event_id DESC LIMIT ? OFFSET ?`,
    bindings: [...(wanted ? statuses : []), limit, offset],
  }
}
