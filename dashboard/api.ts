/** This module makes every request of the dashboard. It does not touch the page. */

export type Status = 'pending' | 'delivered' | 'failed'

export interface Minute {
  minute: string
  accepted: number
  stored: number
  delivered: number
  failed: number
}

/** What came in by one source. */
export interface SourceCounts {
  name: string
  accepted: number
  duplicates: number
  refused: number
  last_event_id: string | null
  last_at: string | null
}

/** A URL for one sender. */
export interface Source {
  name: string
  /** Null where the configuration is wrong. */
  type: string | null
  url: string
  ready: boolean
  /** Where its secret is to be copied or entered. */
  setup: string | null
}

export interface Metrics {
  total: number
  pending: number
  delivered: number
  failed: number
  queue_depth: number
  dlq_count: number
  last_processed_at: string | null
  processing_rate: number
  oldest_unstored_seconds: number
  per_minute: Minute[]
  sources: SourceCounts[]
}

export interface InboxEvent {
  event_id: string
  status: Status
  created_at: string
  updated_at: string
  retry_count: number
  payload: unknown
  metadata: unknown
}

export interface Page<Row> {
  data: Row[]
  total: number | null
  next_cursor?: string | null
  unstored?: number
  stale?: number
}

export interface DeadLetter {
  event_id: string
  shard: string
  reason: string
  retry_count: number
  correlation_id: string
  failed_at: string
}

export interface Connection {
  /** The URL where the inbox is served; empty means the page's own origin. */
  endpoint: string
  token: string
}

export type Action = 'ack' | 'nack' | 'retry' | 'delete'

/** The service answered with a problem; the message is in the service's own words. */
export class ApiProblem extends Error {
  readonly status: number

  constructor(status: number, detail: string) {
    super(detail)
    this.status = status
  }
}

export async function fetchMetrics(connection: Connection, signal?: AbortSignal): Promise<Metrics> {
  return (await ask<{ data: Metrics }>(connection, 'GET', '/metrics', undefined, signal)).data
}

/** Fetches a page of `GET /inbox`; `query` is its query string. */
export function listEvents(
  connection: Connection,
  query: string,
  signal?: AbortSignal,
): Promise<Page<InboxEvent>> {
  return ask(connection, 'GET', `/inbox?${query}`, undefined, signal)
}

export function listDeadLetters(
  connection: Connection,
  offset: number,
  signal?: AbortSignal,
): Promise<Page<DeadLetter>> {
  return ask(connection, 'GET', `/dlq?limit=50&offset=${offset}`, undefined, signal)
}

export async function listSources(connection: Connection, signal?: AbortSignal): Promise<Source[]> {
  return (await ask<{ data: Source[] }>(connection, 'GET', '/sources', undefined, signal)).data
}

/** Changes one event. @returns its status afterwards, or `deleted` */
export async function act(connection: Connection, action: Action, id: string): Promise<string> {
  const path = `/inbox/${encodeURIComponent(id)}`
  const answer =
    action === 'delete'
      ? ask<{ data: { status: string } }>(connection, 'DELETE', path)
      : ask<{ data: { status: string } }>(connection, 'POST', `${path}/${action}`)
  return (await answer).data.status
}

export interface AckResult {
  event_id: string
  status: string
  error?: { detail: string }
}

export async function ackAll(connection: Connection, ids: string[]): Promise<AckResult[]> {
  return (
    await ask<{ data: AckResult[] }>(
      connection,
      'POST',
      '/inbox/ack',
      JSON.stringify({ event_ids: ids }),
    )
  ).data
}

/** Redrives the dead letters that are named, or all. */
export async function redrive(
  connection: Connection,
  which: { event_ids: string[] } | { all: true },
): Promise<{ redriven: number; skipped: number }> {
  return (
    await ask<{ data: { redriven: number; skipped: number } }>(
      connection,
      'POST',
      '/dlq/retry',
      JSON.stringify(which),
    )
  ).data
}

/** Posts an event's JSON text as it was typed. @returns its id */
export async function postEvent(connection: Connection, text: string): Promise<string> {
  return (await ask<{ data: { event_id: string } }>(connection, 'POST', '/events', text)).data
    .event_id
}

async function ask<T>(
  connection: Connection,
  method: string,
  path: string,
  body?: string,
  signal?: AbortSignal,
): Promise<T> {
  return JSON.parse(await askText(connection, method, path, body, signal))
}

/** Makes a request. @throws ApiProblem for any answer but a success, TypeError when there is no answer */
async function askText(
  { endpoint, token }: Connection,
  method: string,
  path: string,
  body?: string,
  signal?: AbortSignal,
): Promise<string> {
  const response = await fetch(new URL(path, new URL(endpoint, document.baseURI)), {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body }),
    ...(signal && { signal }),
  })
  if (response.ok) return response.text()
  const problem: { detail?: string } = await response.json().catch(() => ({}))
  throw new ApiProblem(
    response.status,
    problem.detail ?? `The service answered ${response.status}.`,
  )
}

/** Fetches one event, with payload and metadata as indented JSON text. Its numbers are as they were sent. */
export async function fetchEvent(
  connection: Connection,
  id: string,
  signal?: AbortSignal,
): Promise<InboxEvent & { payloadText: string; metadataText: string }> {
  const text = await askText(
    connection,
    'GET',
    `/inbox/${encodeURIComponent(id)}`,
    undefined,
    signal,
  )
  const { data }: { data: InboxEvent } = JSON.parse(text)
  const exact: { data: InboxEvent } = JSON.parse(text, keepNumbers)
  return {
    ...data,
    payloadText: JSON.stringify(exact.data.payload, null, 2),
    metadataText: JSON.stringify(exact.data.metadata, null, 2),
  }
}

/** Keeps numbers as they were sent, in browsers that know JSON.rawJSON. Others round 12345678901234567890. */
function keepNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const raw: unknown = Reflect.get(JSON, 'rawJSON')
  return typeof value === 'number' && context?.source !== undefined && typeof raw === 'function'
    ? raw(context.source)
    : value
}
