import { EVENT_ID_RULE, isEventId } from '../../shared/event'
import { LIMITS } from '../../shared/limits'
import { isObject, jsonOf, JsonText } from '../../shared/json'
import { type Complaint, type HttpError, invalid } from '../../shared/problem'
import { parseJson, typeName } from '../http/json'
import { memberSources } from '../http/json-text'
import { timestampMs } from '../http/time'
import { didYouMean } from '../../shared/suggestion'

/** This module reads one event in the inbox's own format. No I/O. */

/**
 * An event as a request brings it.
 * `payload` and `metadata` are JSON source text, so that they are stored exactly as they were sent.
 */
export interface Draft {
  payload: string
  metadata: string | null
  /** The id that the client gave, or null. */
  event_id: string | null
  /** What identifies the event when it comes again, such as a CloudEvent's source and id. It becomes the event_id. */
  identity: string[] | null
  /** Consumers get it from this moment on, in milliseconds since 1970; null: at once. */
  not_before: number | null
}

const MEMBERS = ['payload', 'metadata', 'event_id', 'not_before']
const CLOUD_EVENT =
  'is an attribute of a CloudEvent; send one with "Content-Type: application/cloudevents+json", ' +
  'several as an array with "application/cloudevents-batch+json"'

/**
 * Parses JSON text `{"payload", "metadata"?, "event_id"?, "not_before"?}`.
 * @throws HttpError 400 that names every wrong member
 */
export function parseEvent(text: string): Draft {
  const { parsed, sources } = parseMembers(text)
  if ('specversion' in parsed)
    throw invalidEvent([{ pointer: '#/specversion', detail: CLOUD_EVENT }])
  const complaints: Complaint[] = []
  if (!isObject(parsed.payload)) {
    const found = 'payload' in parsed ? `not ${typeName(parsed.payload)}` : 'and is missing'
    complaints.push({ pointer: '#/payload', detail: `must be a JSON object, ${found}` })
  }
  if (parsed.metadata != null && !isObject(parsed.metadata)) {
    complaints.push({
      pointer: '#/metadata',
      detail: `must be a JSON object, null or absent, not ${typeName(parsed.metadata)}`,
    })
  }
  if (parsed.event_id != null && !isEventId(parsed.event_id)) {
    complaints.push({
      pointer: '#/event_id',
      detail: `${EVENT_ID_RULE}; leave it out to have one made`,
    })
  }
  const notBefore = typeof parsed.not_before === 'string' ? timestampMs(parsed.not_before) : null
  if (parsed.not_before != null && notBefore === null) {
    complaints.push({
      pointer: '#/not_before',
      detail:
        'must be a timestamp with its offset, such as 2026-11-21T08:30:00Z (RFC 3339); ' +
        'leave it out, or null, for at once',
    })
  }
  for (const name of sources.keys()) {
    if (complaints.length >= LIMITS.COMPLAINTS) break
    if (MEMBERS.includes(name)) continue
    const advice = didYouMean(name, MEMBERS) ?? 'put your own data into payload or metadata'
    complaints.push({
      pointer: `#/${pointerToken(name)}`,
      detail: `is not a member of an event; ${advice}`,
    })
  }
  const payload = sources.get('payload')
  if (complaints.length > 0 || payload === undefined) throw invalidEvent(complaints)
  const metadata = sources.get('metadata') ?? 'null'
  return {
    event_id: isEventId(parsed.event_id) ? parsed.event_id : null,
    identity: null,
    not_before: notBefore,
    payload,
    metadata: metadata === 'null' ? null : metadata,
  }
}

/** Reads the members of the JSON object in `text`, parsed and as source text. @throws HttpError 400 */
export function parseMembers(text: string): {
  parsed: Record<string, unknown>
  sources: Map<string, string>
} {
  const parsed = parseJson(text)
  if (!isObject(parsed))
    throw invalidEvent([
      {
        pointer: '#',
        detail: `must be a JSON object such as {"payload": {"order": 1}}, not ${typeName(parsed)}`,
      },
    ])
  return { parsed, sources: memberSources(text) }
}

/** Makes a payload from any JSON: an object stays as it is, anything else becomes `{"data": …}`. */
export function payloadOf(parsed: unknown, source: string): string {
  return isObject(parsed) ? source : jsonOf({ data: new JsonText(source) })
}

export function invalidEvent(errors: Complaint[]): HttpError {
  return invalid('INVALID_EVENT', 'event', errors)
}

function pointerToken(name: string): string {
  return encodeURIComponent(
    name.slice(0, 64).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1'),
  )
}
