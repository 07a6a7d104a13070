import { AutoRouter, type IRequestStrict, type RequestHandler } from 'itty-router'
import { v7 as uuidv7 } from 'uuid'
import {
  EVENT_ID_RULE,
  EVENT_LIMITS,
  eventToJson,
  isEventId,
  isoTime,
  parseEvent,
  type StoredEvent,
} from './objects/event'
import type { EventShard } from './objects/event-shard'
import { parseInboxQuery } from './objects/inbox-query'
import { log } from './objects/log'
import { summarise } from './objects/metrics'
import { HttpError, problemResponse } from './objects/problem'
import { findToken, type Scope, type Token } from './objects/tokens'

type InboxRequest = IRequestStrict & { correlationId: string; caller: Token }

type Handler = RequestHandler<InboxRequest, [env: Env, ctx: ExecutionContext]>

const router = AutoRouter<InboxRequest, [env: Env, ctx: ExecutionContext], Response>({
  before: [correlate],
  missing: noSuchRoute,
  catch: answerError,
  finally: [finish],
})
  .get('/health', () => json({ status: 'ok', timestamp: now() }))
  .all('*', authenticate)
  .post('/events', allow('write'), postEvent)
  .get('/inbox', allow('read'), getInbox)
  .get('/inbox/:id', allow('read'), getEvent)
  .get('/metrics', allow('read'), getMetrics)

export { EventShard } from './objects/event-shard'
export default { fetch: router.fetch } satisfies ExportedHandler<Env>

/** POST /events: 202 once the event is durable in its shard, 409 when its `event_id` is known. */
async function postEvent(request: InboxRequest, env: Env): Promise<Response> {
  const mediaType = request.headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') {
    throw new HttpError(
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      'Send the event with "Content-Type: application/json".',
      { headers: { Accept: 'application/json' } },
    )
  }
  const event = parseEvent(await readText(request, EVENT_LIMITS.MAX_BYTES), request.correlationId)
  const { event_id } = event
  const [result] = await shardOf(env, event_id).accept([event])
  if (!result) throw new Error('the shard gave no outcome')
  if (result.outcome === 'duplicate') {
    throw new HttpError(409, 'DUPLICATE_EVENT_ID', `Duplicate event_id: ${event_id}`, {
      members: { event_status: result.status, created_at: isoTime(result.created_at) },
    })
  }
  return json(
    {
      data: { event_id, status: 'accepted', timestamp: isoTime(result.created_at) },
      timestamp: now(),
    },
    202,
  )
}

/** GET /inbox: what D1 holds once every shard has written out what it held, newest first. */
async function getInbox(request: InboxRequest, env: Env): Promise<Response> {
  const query = parseInboxQuery(new URL(request.url).searchParams)
  const flushed = await Promise.all(allShards(env).map((shard) => shard.flush()))
  const [page, counts] = await Promise.all([
    readD1(
      env.DB.prepare(query.sql)
        .bind(...query.bindings)
        .all<EventRow>(),
    ),
    totals(env),
  ])
  const data = page.results.map((row) => eventToJson(fromRow(row))).join(',')
  const { limit, offset, statuses } = query
  const total = statuses.reduce((sum, status) => sum + counts[status], 0)
  const unstored = flushed.reduce((sum, shard) => sum + shard.unstored, 0)
  return jsonText(
    `{"data":[${data}],${members({ total, limit, offset, unstored, timestamp: now() })}}`,
  )
}

/** GET /inbox/:id: the event as its shard knows it at this moment, 404 when there is none. */
async function getEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = eventIdOf(request)
  const held = await shardOf(env, event_id).get(event_id)
  if (!held) throw eventNotFound(event_id)
  const { status, created_at, retry_count } = held
  if (held.body)
    return eventResponse({
      event_id,
      ...held.body,
      status,
      created_at,
      updated_at: held.updated_at,
      retry_count,
    })
  const row = await readD1(
    env.DB.prepare('SELECT * FROM events WHERE event_id = ?').bind(event_id).first<EventRow>(),
  )
  if (!row) throw eventNotFound(event_id)
  const stored = fromRow(row)
  return eventResponse({
    ...stored,
    status,
    retry_count,
    updated_at: Math.max(stored.updated_at, held.updated_at),
  })
}

/** GET /metrics: the sum of the shards' counters; costs the same whatever the number of events. */
async function getMetrics(_request: InboxRequest, env: Env): Promise<Response> {
  return json({ data: await totals(env), timestamp: now() })
}

async function totals(env: Env) {
  return summarise(await Promise.all(allShards(env).map((shard) => shard.metrics())), Date.now())
}

// Before and after every handler

/** Takes the request's X-Correlation-ID, or makes one. */
function correlate(request: InboxRequest): void {
  const given = request.headers.get('X-Correlation-ID') ?? ''
  request.correlationId = /^[\w.:-]{1,128}$/.test(given) ? given : uuidv7()
}

async function authenticate(request: InboxRequest, env: Env): Promise<void> {
  const presented = /^Bearer +([\x21-\x7e]+) *$/i.exec(
    request.headers.get('Authorization') ?? '',
  )?.[1]
  const caller = presented && (await configuredToken(env, presented))
  if (!caller) {
    const detail = presented
      ? 'The bearer token is not known.'
      : 'Send a token: "Authorization: Bearer <token>".'
    const challenge = presented ? 'Bearer error="invalid_token"' : 'Bearer'
    throw new HttpError(401, 'UNAUTHORIZED', detail, { headers: { 'WWW-Authenticate': challenge } })
  }
  request.caller = caller
}

async function configuredToken(env: Env, presented: string): Promise<Token | null> {
  try {
    return await findToken(env.API_TOKENS, presented)
  } catch (error) {
    log('error', 'the API_TOKENS secret is malformed', { error: String(error) })
    throw new HttpError(
      503,
      'NOT_CONFIGURED',
      'The service is not configured correctly. Its log says why.',
    )
  }
}

function allow(scope: Scope): Handler {
  return ({ caller }) => {
    if (caller.scopes.includes(scope)) return
    const headers = { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` }
    throw new HttpError(
      403,
      'INSUFFICIENT_SCOPE',
      `This needs a token with the scope "${scope}".`,
      { headers },
    )
  }
}

/** 405 with `Allow` where the path is right, else 404. */
function noSuchRoute(request: InboxRequest): Response {
  const { pathname } = new URL(request.url)
  const allowed = router.routes
    .filter(([method, path]) => method !== 'ALL' && path.test(pathname))
    .map(([method]) => method)
  const error =
    allowed.length > 0
      ? new HttpError(405, 'METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')} here.`, {
          headers: { Allow: allowed.join(', ') },
        })
      : new HttpError(
          404,
          'NOT_FOUND',
          'There is nothing at this path. The README lists all of them.',
        )
  return answerError(error, request)
}

/** The only place where an error becomes an answer. Messages of unexpected errors go to the log, never to the client. */
function answerError(error: unknown, request: InboxRequest): Response {
  if (error instanceof HttpError) return problemResponse(error, request.correlationId)
  const passing = error instanceof Error && ('retryable' in error || 'overloaded' in error)
  log('error', 'request failed', {
    correlation_id: request.correlationId,
    method: request.method,
    path: new URL(request.url).pathname,
    error: String(error),
  })
  return problemResponse(
    passing
      ? unavailable(
          'The shard of this event did not answer. Send the request again with the same event_id.',
        )
      : new HttpError(
          500,
          'INTERNAL',
          'Something went wrong here. Quote the correlation_id when you report it.',
        ),
    request.correlationId,
  )
}

function finish(response: Response, request: InboxRequest): Response {
  response.headers.set('X-Correlation-ID', request.correlationId)
  response.headers.set('Cache-Control', 'no-store')
  response.headers.set('X-Content-Type-Options', 'nosniff')
  return response
}

// Pieces of handlers

/** The body as text; stops reading at the limit, whatever Content-Length says. @throws HttpError 413, or 400 for what is not UTF-8 */
async function readText(request: InboxRequest, maxBytes: number): Promise<string> {
  const tooLarge = new HttpError(
    413,
    'CONTENT_TOO_LARGE',
    `The body is larger than ${maxBytes} bytes. Keep large data elsewhere and send its address.`,
  )
  if (Number(request.headers.get('Content-Length')) > maxBytes) throw tooLarge
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let size = 0
  let text = ''
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength
      if (size > maxBytes) throw tooLarge
      text += decoder.decode(chunk, { stream: true })
    }
    return text + decoder.decode()
  } catch (error) {
    if (error instanceof TypeError)
      throw new HttpError(400, 'INVALID_UTF8', 'The body is not valid UTF-8.')
    throw error
  }
}

function eventIdOf(request: InboxRequest): string {
  let id: string | undefined
  try {
    id = decodeURIComponent(request.params.id ?? '')
  } catch {
    // Not percent-encoded correctly: no event id either.
  }
  if (isEventId(id)) return id
  throw new HttpError(400, 'INVALID_PARAMETER', `The event id ${EVENT_ID_RULE}.`, {
    errors: [{ parameter: 'id', detail: EVENT_ID_RULE }],
  })
}

type EventRow = Omit<StoredEvent, 'created_at' | 'updated_at'> & {
  created_at: string
  updated_at: string
}

function fromRow(row: EventRow): StoredEvent {
  return { ...row, created_at: Date.parse(row.created_at), updated_at: Date.parse(row.updated_at) }
}

async function readD1<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    log('error', 'D1 did not answer a query', { error: String(error) })
    throw unavailable('The database does not answer. Events are still accepted; try again.')
  }
}

function unavailable(detail: string): HttpError {
  return new HttpError(503, 'UNAVAILABLE', detail, { headers: { 'Retry-After': '2' } })
}

function eventNotFound(id: string): HttpError {
  return new HttpError(404, 'EVENT_NOT_FOUND', `There is no event with the event_id ${id}.`)
}

/** The shard that owns the event: FNV-1a of its id, so that equal ids always meet. */
function shardOf(env: Env, eventId: string): DurableObjectStub<EventShard> {
  let hash = 0x811c9dc5
  for (let at = 0; at < eventId.length; at++)
    hash = Math.imul(hash ^ eventId.charCodeAt(at), 0x01000193)
  return env.SHARD.getByName(`shard-${(hash >>> 0) % shardCount(env)}`)
}

function allShards(env: Env): DurableObjectStub<EventShard>[] {
  return Array.from({ length: shardCount(env) }, (_, index) =>
    env.SHARD.getByName(`shard-${index}`),
  )
}

function shardCount(env: Env): number {
  const count = Number(env.SHARD_COUNT)
  if (Number.isInteger(count) && count >= 1 && count <= 256) return count
  log('error', 'SHARD_COUNT is not a whole number from 1 to 256')
  throw new HttpError(
    503,
    'NOT_CONFIGURED',
    'The service is not configured correctly. Its log says why.',
  )
}

function eventResponse(event: StoredEvent): Response {
  return jsonText(`{"data":${eventToJson(event)},${members({ timestamp: now() })}}`)
}

/** The members of `object` as JSON text, to stand beside members that are JSON text already. */
function members(object: Record<string, unknown>): string {
  return JSON.stringify(object).slice(1, -1)
}

function json(body: unknown, status = 200): Response {
  return jsonText(JSON.stringify(body), status)
}

function jsonText(text: string, status = 200): Response {
  return new Response(text, { status, headers: { 'Content-Type': 'application/json' } })
}

function now(): string {
  return isoTime(Date.now())
}
