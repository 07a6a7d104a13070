import { type EventStatus, STATUSES } from './event'
import { type Complaint, HttpError } from './problem'

export interface InboxQuery {
  /** Every status when none was asked for. */
  statuses: readonly EventStatus[]
  limit: number
  offset: number
  sql: string
  bindings: (string | number)[]
}

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 1_000

/** The query a request asks for, newest first. Values are bound, never spliced in. @throws HttpError 400 that names every wrong parameter */
export function parseInboxQuery(params: URLSearchParams): InboxQuery {
  const complaints: Complaint[] = []
  const known = ['status', 'limit', 'offset']
  for (const name of new Set(params.keys())) {
    if (!known.includes(name))
      complaints.push({ parameter: name, detail: `is unknown; known are ${known.join(', ')}` })
    else if (params.getAll(name).length > 1)
      complaints.push({ parameter: name, detail: 'was given more than once' })
  }
  const integer = (name: string, otherwise: number, least: number, most: number) => {
    const text = params.get(name)
    if (text === null) return otherwise
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most))
      complaints.push({
        parameter: name,
        detail: `must be a whole number from ${least} to ${most}`,
      })
    return value
  }
  const limit = integer('limit', DEFAULT_LIMIT, 1, MAX_LIMIT)
  const offset = integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  const wanted = params.get('status')?.split(',')
  const statuses = wanted ? STATUSES.filter((status) => wanted.includes(status)) : STATUSES
  if (wanted?.some((status) => !STATUSES.some((each) => each === status))) {
    complaints.push({
      parameter: 'status',
      detail: `must be one or more of ${STATUSES.join(', ')}, separated by commas`,
    })
  }
  if (complaints.length > 0) {
    const named = complaints.map((complaint) =>
      'parameter' in complaint ? `${complaint.parameter} ${complaint.detail}` : complaint.detail,
    )
    throw new HttpError(400, 'INVALID_PARAMETER', `The query is not valid: ${named.join('. ')}.`, {
      errors: complaints,
    })
  }
  const where = wanted ? `WHERE status IN (${statuses.map(() => '?').join(', ')})` : ''
  return {
    statuses,
    limit,
    offset,
    sql: `SELECT * FROM events ${where} ORDER BY created_at DESC, event_id DESC LIMIT ? OFFSET ?`,
    bindings: [...(wanted ? statuses : []), limit, offset],
  }
}
