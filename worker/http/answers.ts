import type { EventRow } from '../../d1/events'
import { isoTime } from '../../shared/event'
import { jsonOf, JsonText } from '../../shared/json'
import type { HttpError } from '../../shared/problem'

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** Answers an error as `application/problem+json` (RFC 9457 §3). */
export function problemResponse(error: HttpError, correlationId: string): Response {
  const { status, code, message, options } = error
  const body = {
    type: 'about:blank',
    title: TITLES[status],
    status,
    detail: message,
    code,
    ...options.members,
    ...(options.errors && { errors: options.errors }),
    correlation_id: correlationId,
    timestamp: new Date().toISOString(),
  }
  const headers = { ...options.headers, 'Content-Type': 'application/problem+json' }
  return new Response(JSON.stringify(body), { status, headers })
}

/** Answers one event, with more members behind its own. */
export function eventResponse(event: EventRow, more?: Record<string, unknown>): Response {
  return jsonText(jsonOf({ data: new JsonText(eventToJson(event, more)), timestamp: now() }))
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return jsonText(JSON.stringify(body), status, headers)
}

export function jsonText(
  text: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return new Response(text, { status, headers: { ...headers, 'Content-Type': 'application/json' } })
}

export function now(): string {
  return isoTime(Date.now())
}

/**
 * Writes one event as JSON text, with more members behind its own. Payload and metadata stand in it exactly as they
 * were sent. It is put together by hand, because listings and claims are made of it.
 */
export function eventToJson(event: EventRow, more?: Record<string, unknown>): string {
  const { event_id, status, retry_count, created_at, updated_at, payload, metadata } = event
  const text =
    `{"event_id":${JSON.stringify(event_id)},"status":"${status}","retry_count":${retry_count},` +
    `"created_at":"${created_at}","updated_at":"${updated_at}",` +
    `"payload":${payload},"metadata":${metadata ?? 'null'}`
  return more ? `${text},${JSON.stringify(more).slice(1)}` : `${text}}`
}
