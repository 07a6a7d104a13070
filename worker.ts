import { Router } from 'itty-router'
import { type EventRow, readRows, storedEvent } from './d1/reader'
import { version } from './package.json'
import { configurationOf, needed } from './shared/config'
import { type DeadLetterMessage, parseDeadLetter } from './shared/dead-letter'
import { isoTime, type NewEvent } from './shared/event'
import { allowedFrom, type Verb } from './shared/lifecycle'
import { LIMITS } from './shared/limits'
import { firstOf, log } from './shared/log'
import { perMinute, type ShardMetrics, summarise } from './shared/metrics'
import type { MoveOutcome, Untold } from './shared/outcomes'
import { shardName } from './shared/owners'
import { HttpError, keyReused } from './shared/problem'
import { parseIds, parseNack, parseRedrive } from './worker/commands'
import { recordDeadLetters } from './worker/dead-letter-log'
import {
  acceptResponse,
  batchResponse,
  batchResults,
  newEvent,
  type Outcome,
  unanswered,
} from './worker/events'
import { checkReadiness } from './worker/health'
import {
  eventResponse,
  eventToJson,
  json,
  jsonText,
  members,
  now,
  problemResponse,
} from './worker/http/answers'
import { eventIdOf, readText, requireJson } from './worker/http/body'
import { releaseBytes } from './worker/http/body-budget'
import {
  allow,
  allowOrigin,
  correlate,
  finish,
  type InboxRequest,
  limitSize,
  preflight,
  reportMistakes,
} from './worker/http/middleware'
import { readParameters } from './worker/http/parameters'
import { isPassing, shardSilent } from './worker/http/silence'
import { DEFAULT_LIMIT, type InboxQuery, parseInboxQuery } from './worker/inbox-query'
import { digestOf, idempotencyKey, readEvents } from './worker/ingest/ingest'
import { CONTENT_TYPES, metricsText, preferredFormat } from './worker/metrics-text'
import { prune } from './worker/prune'
import { withTimeout } from './shared/retry'
import { ANSWER_TIMEOUT_MS } from './shared/owners'
import {
  allShards,
  askByShard,
  configuredShards,
  findMisconfiguration,
  type Shard,
} from './worker/shards'
import { verifyCounts } from './worker/verify'

const router = Router<InboxRequest, [env: Env, ctx: ExecutionContext], Response>({
  before: [correlate, (_, env) => reportMistakes(env), preflight, limitSize],
  catch: answerError,
  finally: [allowOrigin, finish],
})
  .post('/events', allow('write'), postEvents)
  .get('/inbox', allow('read'), getInbox)
  .post('/inbox/ack', allow('manage'), postAcks)
  .get('/inbox/:id', allow('read'), getEvent)
  .delete('/inbox/:id', allow('manage'), deleteEvent)
  .post('/inbox/:id/ack', allow('manage'), postMove('ack'))
  .post('/inbox/:id/nack', allow('manage'), postNack)
  .post('/inbox/:id/retry', allow('manage'), postMove('retry'))
  .get('/dlq', allow('read'), getDeadLetters)
  .post('/dlq/retry', allow('manage'), postRedrive)
  .get('/metrics', allow('read'), getMetrics)
  .get('/health', getHealth)

// HEAD is answered as GET is; the runtime leaves the body out.
for (const [method, ...route] of router.routes)
  if (method === 'GET') router.routes.push(['HEAD', ...route])
router.all('*', noSuchRoute)

export { EventShard } from './objects/event-shard'
export default {
  fetch: answer,
  queue: takeDeadLetters,
  scheduled: tend,
} satisfies ExportedHandler<Env, string>

async function answer(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  try {
    return await router.fetch(request, env, ctx)
  } finally {
    releaseBytes(request)
  }
}

/** GET /health: 200 while the worker runs; with `ready=1` only if all that it needs answers as well, else 503. */
async function getHealth(request: InboxRequest, env: Env): Promise<Response> {
  const read = readParameters(new URL(request.url).searchParams, ['ready'])
  const ready = read.choice('ready', ['0', '1'])
  read.done()
  if (ready === '1') await checkReadiness(env)
  return json({ status: 'ok', timestamp: now() })
}

/**
 * POST /events: 202 once every event is durable in its shard; 409 for one whose `event_id` is known; of a batch 207 if some are not
 * accepted, 400 if none is and none is known.
 */
async function postEvents(request: InboxRequest, env: Env): Promise<Response> {
  const { batch, entries, key, text } = await readEvents(request, configurationOf(env).webhooks)
  const fingerprint = key ? await digestOf(text) : undefined
  const events = await Promise.all(
    entries.map((entry) =>
      'draft' in entry
        ? newEvent(entry.draft, key, fingerprint, request.correlationId, request.caller?.name ?? '')
        : null,
    ),
  )
  const accepted = await askByShard<NewEvent, Outcome>(
    env,
    events.filter((event) => event !== null),
    (event) => event.event_id,
    async (shard, own, counts) => {
      try {
        return await shard.accept(own, counts)
      } catch (error) {
        // A shard accepts nothing for a SHARD_COUNT smaller than it was told of; then the first one knows why.
        const refused = isPassing(error) ? null : await findMisconfiguration(env)
        return refused ? own.map(() => refused) : unanswered(error, own)
      }
    },
  )
  let at = 0
  const outcomes = entries.map((entry) => ('error' in entry ? entry.error : accepted[at++]))
  if (batch) {
    const results = batchResults(events, outcomes)
    request.facts = firstOf(
      'refused',
      results.flatMap(({ index, event_id, status, error }) =>
        status === 'accepted'
          ? []
          : [{ index, event_id, code: error?.code ?? 'DUPLICATE_EVENT_ID' }],
      ),
    )
    return batchResponse(results)
  }
  const event_id = events[0]?.event_id ?? ''
  request.facts = { event_id }
  return acceptResponse(event_id, outcomes[0])
}

/** GET /inbox: what D1 holds once every shard has written out what it held. */
async function getInbox(request: InboxRequest, env: Env): Promise<Response> {
  const query = parseInboxQuery(new URL(request.url).searchParams)
  const untold = query.readYourWrites ? await flushAll(env) : undefined
  const [rows, total] = await Promise.all([readPage(env, query), totalOf(env, query)])
  const data = rows.map((row) => eventToJson(storedEvent(row))).join(',')
  const { limit, offset } = query
  const next_cursor = await nextCursor(env, query, rows)
  return jsonText(
    `{"data":[${data}],${members({ total, limit, offset, next_cursor, ...untold, timestamp: now() })}}`,
  )
}

type PageRow = EventRow & { position: number; found: number }

async function readPage(env: Env, { page }: InboxQuery): Promise<PageRow[]> {
  const rows = await readRows<PageRow>(env.DB, page.sql, page.bindings)
  return rows.toSorted((a, b) => a.position - b.position)
}

async function nextCursor(
  env: Env,
  { scanEnd, cursorAfter }: InboxQuery,
  rows: PageRow[],
): Promise<string | null> {
  const last = rows.at(-1)
  if (last && last.found > rows.length) return cursorAfter(last)
  const [end] = scanEnd ? await readRows<EventRow>(env.DB, scanEnd.sql, scanEnd.bindings) : []
  return end ? cursorAfter(end) : null
}

/** Undefined when nobody asked for it, null when counting it would read too much. */
async function totalOf(env: Env, { total }: InboxQuery): Promise<number | null | undefined> {
  if (!total) return undefined
  if ('count' in total) {
    const [row] = await readRows<{ total: number | null }>(
      env.DB,
      total.count.sql,
      total.count.bindings,
    )
    return row?.total ?? null
  }
  const counts = await totals(env)
  return total.counters.reduce((sum, status) => sum + counts[status], 0)
}

/** Has every shard write out what it holds now. @returns what D1 has still not been told of it */
async function flushAll(env: Env): Promise<Untold> {
  const flushed = await Promise.all((await allShards(env)).map((shard) => shard.flush()))
  return {
    unstored: flushed.reduce((sum, { unstored }) => sum + unstored, 0),
    stale: flushed.reduce((sum, { stale }) => sum + stale, 0),
  }
}

/** GET /inbox/:id: the event as its shard knows it at this moment, 404 when there is none. */
async function getEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = namedEvent(request)
  const [held] = await askByShard(
    env,
    [event_id],
    String,
    async (shard) => [await shard.get(event_id)],
    (found) => found === null,
  )
  if (!held) throw eventNotFound(event_id)
  const { status, created_at, updated_at, retry_count, body } = held
  if (body) return eventResponse({ event_id, ...body, status, created_at, updated_at, retry_count })
  const [row] = await readRows<EventRow>(env.DB, 'SELECT * FROM events WHERE event_id = ?', [
    event_id,
  ])
  if (!row) throw eventNotFound(event_id)
  const stored = storedEvent(row)
  return eventResponse({
    ...stored,
    status,
    retry_count,
    updated_at: Math.max(stored.updated_at, updated_at),
  })
}

/** POST /inbox/:id/ack and /retry: 200 with the new status, 404 unknown, 409 when the present status does not allow it. */
function postMove(verb: 'ack' | 'retry') {
  return async (request: InboxRequest, env: Env): Promise<Response> => {
    const id = namedEvent(request)
    return moved(id, verb, await askMoves(env, [id], (shard) => shard[verb]([id])))
  }
}

/** POST /inbox/:id/nack: 200 with the status it left the event in, 404 unknown, 409 not pending, 422 for another body under a key. */
async function postNack(request: InboxRequest, env: Env): Promise<Response> {
  const id = namedEvent(request)
  needed(configurationOf(env).maxRetries)
  if (request.headers.has('Content-Type')) requireJson(request)
  const given = idempotencyKey(request.headers)
  const text = await readText(request, LIMITS.COMMAND_BYTES)
  const reason = parseNack(text) ?? 'The consumer gave no reason.'
  const key =
    given === null
      ? undefined
      : { nack_key: await digestOf(given), nack_body: await digestOf(text) }
  const nack = (shard: Shard) => shard.nack(id, reason, key)
  return moved(id, 'nack', await askMoves(env, [id], nack))
}

/** DELETE /inbox/:id: 200 once it is gone from its shard, 404 unknown. D1 follows. */
async function deleteEvent(request: InboxRequest, env: Env): Promise<Response> {
  const event_id = namedEvent(request)
  const [removed] = await askByShard(
    env,
    [event_id],
    String,
    (shard, own) => shard.remove(own),
    (gone) => gone === undefined,
  )
  if (!removed) throw eventNotFound(event_id)
  return json({ data: { event_id, status: 'deleted', timestamp: now() }, timestamp: now() })
}

/** POST /inbox/ack: one result an id, in order; 200 if all are delivered, else 207. */
async function postAcks(request: InboxRequest, env: Env): Promise<Response> {
  requireJson(request)
  const ids = parseIds(await readText(request, LIMITS.COMMAND_BYTES))
  request.facts = firstOf('event_ids', ids)
  const outcomes = await askMoves(env, ids, (shard, own) => shard.ack(own))
  const data = outcomes.map((outcome, index) => {
    const event_id = ids[index] ?? ''
    if (outcome.outcome === 'moved') return { index, event_id, status: outcome.event.status }
    const { code, message } = moveError(event_id, 'ack', outcome)
    return { index, event_id, status: 'rejected', error: { code, detail: message } }
  })
  return json(
    { data, timestamp: now() },
    data.every(({ status }) => status === 'delivered') ? 200 : 207,
  )
}

/** GET /dlq: the dead letters that D1 has, newest first; `total` counts those of the shards. */
async function getDeadLetters(request: InboxRequest, env: Env): Promise<Response> {
  const read = readParameters(new URL(request.url).searchParams, ['limit', 'offset'])
  const limit = read.integer('limit', DEFAULT_LIMIT, 1, LIMITS.PAGE_EVENTS)
  const offset = read.integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  read.done()
  const sql = 'SELECT * FROM dead_letters ORDER BY failed_at DESC, event_id DESC LIMIT ? OFFSET ?'
  const [data, { dlq_count }] = await Promise.all([
    readRows<DeadLetterMessage>(env.DB, sql, [limit, offset]),
    totals(env),
  ])
  return json({ data, total: dlq_count, limit, offset, timestamp: now() })
}

/** POST /dlq/retry: makes dead letters pending again, by ids, by reason, or all of them, and says how many. */
async function postRedrive(request: InboxRequest, env: Env): Promise<Response> {
  requireJson(request)
  const wanted = parseRedrive(await readText(request, LIMITS.COMMAND_BYTES))
  if ('event_ids' in wanted) {
    request.facts = firstOf('event_ids', wanted.event_ids)
    const outcomes = await askMoves(env, wanted.event_ids, (shard, own) => shard.retry(own))
    if (outcomes.some(({ outcome }) => outcome === 'unanswered'))
      throw shardSilent('POST /dlq/retry')
    const redriven = outcomes.filter(({ outcome }) => outcome === 'moved').length
    return json({ data: { redriven, skipped: outcomes.length - redriven }, timestamp: now() })
  }
  const ids: string[] = []
  const counts = (await allShards(env)).map(async (shard) => {
    let redriven = 0
    for (;;) {
      const step = await shard.redrive(wanted.reason)
      redriven += step.redriven
      ids.push(...(step.event_ids ?? []))
      if (!step.more || step.redriven === 0) return redriven
    }
  })
  // Nothing goes on behind an answer.
  await Promise.allSettled(counts)
  const redriven = (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  request.facts = firstOf('event_ids', ids, redriven)
  return json({ data: { redriven, skipped: 0 }, timestamp: now() })
}

/** GET /metrics: the sum of the shards' counters, as JSON or as Prometheus reads it; costs the same whatever the number of events, but for `verify=1`. */
async function getMetrics(request: InboxRequest, env: Env): Promise<Response> {
  const read = readParameters(new URL(request.url).searchParams, ['format', 'detail', 'verify'])
  const asked = read.choice('format', ['json', 'prometheus', 'openmetrics'])
  const format = read.text('format') ? asked : preferredFormat(request.headers.get('Accept'))
  const detail = read.choice('detail', ['none', 'shards'])
  const verify = read.choice('verify', ['0', '1'])
  read.done()
  const verification = verify === '1' ? await verifyCounts(env) : {}
  const shards = await allMetrics(env)
  const at = Date.now()
  if (format !== 'json') {
    const headers = { 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept' }
    return new Response(metricsText(format, shards, version, at), { headers })
  }
  const byShard =
    detail === 'shards' &&
    shards.map((shard, index) => ({ shard: shardName(index), ...summarise([shard], at) }))
  const data = {
    ...summarise(shards, at),
    per_minute: perMinute(shards, at),
    ...(byShard && { shards: byShard }),
    ...verification,
  }
  return json({ data, timestamp: now() })
}

async function totals(env: Env) {
  return summarise(await allMetrics(env), Date.now())
}

async function allMetrics(env: Env): Promise<ShardMetrics[]> {
  return Promise.all((await allShards(env)).map((shard) => shard.metrics()))
}

// Events that are no requests

/** Takes dead letters from the queue; those that could not be recorded come again, later and later. */
async function takeDeadLetters(batch: MessageBatch<string>, env: Env): Promise<void> {
  const letters = batch.messages.flatMap((message) => {
    const letter = parseDeadLetter(message.body)
    return letter ? [{ message, letter }] : []
  })
  let open = new Set(letters.map(({ letter }) => letter))
  try {
    open = await recordDeadLetters(env, [...open])
  } catch (error) {
    log('error', 'D1 did not take dead letters', { error: String(error) })
  }
  if (open.size > 0)
    log('warn', 'dead letters could not be recorded; the queue brings them again', {
      letters: open.size,
    })
  for (const { message, letter } of letters)
    if (open.has(letter)) message.retry({ delaySeconds: Math.min(300, 5 * message.attempts) })
}

/** Cron: revives shards whose alarm went missing, and removes delivered events past their retention. */
async function tend(_controller: ScheduledController, env: Env): Promise<void> {
  reportMistakes(env)
  const arming = configuredShards(env).map((shard) =>
    withTimeout(shard.ensureAlarm(), ANSWER_TIMEOUT_MS),
  )
  const poked = await Promise.allSettled(arming)
  for (const each of poked)
    if (each.status === 'rejected')
      log('error', 'a shard could not be poked', { error: String(each.reason) })
  const pruned = await prune(env, Date.now())
  if (pruned > 0) log('info', 'delivered events pruned', { pruned })
}

// What is left to answer

/** 405 with `Allow` where the path is right, else 404; without a token too: there is nothing to protect. */
function noSuchRoute(request: InboxRequest): never {
  const { pathname } = new URL(request.url)
  const allowed = router.routes
    .filter(([method, path]) => method !== 'ALL' && path.test(pathname))
    .map(([method]) => method)
  if (allowed.length === 0)
    throw new HttpError(
      404,
      'NOT_FOUND',
      'There is nothing at this path; /openapi.json has all of them.',
    )
  throw new HttpError(405, 'METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')} here.`, {
    headers: { Allow: allowed.join(', ') },
  })
}

/** The only place where an error becomes an answer. Messages of unexpected errors go to the log, never to the client. */
function answerError(error: unknown, request: InboxRequest): Response {
  const problem = error instanceof HttpError ? error : unexpected(error, request)
  request.code = problem.code
  return problemResponse(problem, request.correlationId)
}

function unexpected(error: unknown, request: InboxRequest): HttpError {
  const passing = isPassing(error)
  log('error', passing ? 'a shard did not answer' : 'unexpected error', {
    correlation_id: request.correlationId,
    error: String(error),
  })
  return passing
    ? shardSilent(`${request.method} ${request.route}`)
    : new HttpError(
        500,
        'INTERNAL',
        'Something went wrong here. Quote the correlation_id when you report it.',
      )
}

// Pieces of handlers

/** The event id in the path; its log line has it too. */
function namedEvent(request: InboxRequest): string {
  const event_id = eventIdOf(request)
  request.facts = { event_id }
  return event_id
}

function askMoves(
  env: Env,
  ids: string[],
  ask: (shard: Shard, own: string[]) => Promise<MoveOutcome[]>,
): Promise<MoveOutcome[]> {
  const isUnknown = (result: MoveOutcome | undefined) => result?.outcome === 'unknown'
  const open = { outcome: 'unanswered' } as const
  const askOne = async (shard: Shard, own: string[]) => {
    try {
      return await ask(shard, own)
    } catch (error) {
      // What the others did must be told.
      if (!isPassing(error)) throw error
      log('error', 'a shard did not answer', { error: String(error), events: own.length })
      return own.map(() => open)
    }
  }
  return askByShard(env, ids, String, askOne, isUnknown, open)
}

function moved(event_id: string, verb: Verb, [outcome]: MoveOutcome[]): Response {
  if (outcome?.outcome !== 'moved') throw moveError(event_id, verb, outcome)
  const { status, retry_count, updated_at } = outcome.event
  const data = { event_id, status, retry_count, timestamp: isoTime(updated_at) }
  const headers = outcome.replayed ? { 'Idempotency-Replayed': 'true' } : undefined
  return json({ data, timestamp: now() }, 200, headers)
}

function moveError(event_id: string, verb: Verb, outcome: MoveOutcome | undefined): HttpError {
  if (outcome?.outcome === 'unanswered') return shardSilent(`POST /inbox/:id/${verb}`)
  if (outcome?.outcome === 'mismatch') return keyReused('nack', { event_status: outcome.status })
  if (outcome?.outcome !== 'refused') return eventNotFound(event_id)
  const detail = `The event is ${outcome.status}; ${verb} takes an event that is ${allowedFrom(verb).join(' or ')}.`
  return new HttpError(409, 'STATUS_CONFLICT', detail, {
    members: { event_status: outcome.status },
  })
}

function eventNotFound(id: string): HttpError {
  return new HttpError(404, 'EVENT_NOT_FOUND', `There is no event with the event_id ${id}.`)
}
