import { cutReason } from '../shared/dead-letter'
import { EVENT_ID_RULE, isEventId } from '../shared/event'
import { LIMITS } from '../shared/limits'
import { type Complaint, HttpError } from '../shared/problem'
import { didYouMean } from './http/suggestion'

/** Bodies of the requests that change events. No I/O. */

/** Which dead letters to redrive: those named, those with a reason, or all. */
export type Redrive = { event_ids: string[] } | { reason: string | null }

/** `{"event_ids": [...]}`: 1 to 1,000 of them. Ids that could not exist are left in, to be answered one by one. */
export function parseIds(text: string): string[] {
  return eventIds(parseObject(text, ['event_ids']))
}

/** `{"error": "…"}` or nothing. @returns why the consumer could not process the event */
export function parseNack(text: string): string | null {
  const { error } = text.trim() === '' ? { error: undefined } : parseObject(text, ['error'])
  if (error == null) return null
  if (typeof error !== 'string')
    throw invalid([{ pointer: '#/error', detail: 'must be a string that says what went wrong' }])
  return cutReason(error)
}

/** `{"event_ids": [...]}`, `{"reason": "…"}` or `{"all": true}`. */
export function parseRedrive(text: string): Redrive {
  const body = parseObject(text, ['event_ids', 'reason', 'all'])
  if (Object.keys(body).length !== 1) {
    throw invalid([
      { pointer: '#', detail: 'must have exactly one of "event_ids", "reason" and "all"' },
    ])
  }
  if ('event_ids' in body) return { event_ids: eventIds(body) }
  if (body.all === true) return { reason: null }
  if (typeof body.reason === 'string') return { reason: cutReason(body.reason) }
  throw invalid([
    'all' in body
      ? { pointer: '#/all', detail: 'must be true' }
      : { pointer: '#/reason', detail: 'must be a string' },
  ])
}

function eventIds({ event_ids }: Record<string, unknown>): string[] {
  const complaint = (detail: string) => invalid([{ pointer: '#/event_ids', detail }])
  if (!Array.isArray(event_ids)) throw complaint('must be an array of event ids')
  if (event_ids.length === 0) throw complaint('must name at least one event')
  if (event_ids.length > LIMITS.COMMAND_IDS)
    throw complaint(`must name at most ${LIMITS.COMMAND_IDS} events`)
  const wrong = event_ids.flatMap((id, index) =>
    isEventId(id) ? [] : [{ pointer: `#/event_ids/${index}`, detail: EVENT_ID_RULE }],
  )
  if (wrong.length > 0) throw invalid(wrong)
  return event_ids
}

function parseObject(text: string, known: string[]): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new HttpError(400, 'INVALID_JSON', 'The body is not valid JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid([{ pointer: '#', detail: 'must be a JSON object' }])
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const detail = didYouMean(unknown, known) ?? `known are ${known.join(', ')}`
    throw invalid([{ pointer: '#', detail: `has an unknown member; ${detail}` }])
  }
  return { ...value }
}

function invalid(errors: Complaint[]): HttpError {
  const [first] = errors
  const where = first && 'pointer' in first ? first.pointer.slice(2) || 'the body' : 'the body'
  return new HttpError(
    400,
    'INVALID_BODY',
    `The body is not valid: ${where} ${first?.detail ?? ''}.`,
    { errors },
  )
}
