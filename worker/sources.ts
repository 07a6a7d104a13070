import { configurationOf, needed, notConfigured } from '../shared/config'
import type { NewEvent } from '../shared/event'
import { LIMITS } from '../shared/limits'
import { log, logOnce } from '../shared/log'
import { shardName } from '../shared/owners'
import { HttpError, unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'
import { type Source, sourceNamed } from '../shared/sources'
import { acceptAll, isHeld, newEvent, type Outcome } from './accept'
import { json, now } from './http/answers'
import { readBytes, tooLarge } from './http/body'
import { type InboxRequest, limitRate } from './http/middleware'
import { exceeds } from './ingest/batch'
import { acknowledge, type Stored } from './ingest/sources/ack'
import type { Delivery } from './ingest/sources/delivery'
import { handshakeAnswer, subscriptionAnswer } from './ingest/sources/handshake'
import { metadataOf } from './ingest/sources/metadata'
import { type Reason, verify } from './ingest/sources/verify'
import { countRefusal, putBackRefusals, takeRefusals } from './refused-deliveries'
import { shardNamed } from './shards'

/** This module takes the webhooks of other services, each at the URL of its source. */

/** A shard that is away is asked again for so long: senders wait for seconds only, and some never send again. */
const MAX_WAIT_MS = 2_500
/** A shard that says nothing for so long is asked again. */
const MAX_TRY_MS = 1_000
const FIRST_WAIT_MS = 250

/**
 * Answers POST /in/:source, where the delivery's own signature is the credential.
 * What is stored, now or before, gets the answer that the sender takes as a yes. Nothing else is stored.
 * @throws HttpError 401 for a delivery that is not proven, 404 for an unknown source, 413, 429, 503
 */
export async function postDelivery(
  request: InboxRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const source = sourceOf(request, env)
  await limitRate(env, `source:${source.name}`)
  const body = await readBytes(request, LIMITS.STORED_BYTES)
  const { method, url, headers, params } = request
  const delivery: Delivery = { method, url, headers, body, token: params.token ?? null }
  const verdict = await verify(source, delivery, Date.now())
  if (!verdict.accepted) throw refusal(request, env, ctx, source, verdict.reason)
  const answer = await handshakeAnswer(source, verdict)
  if (answer) return answer
  const { payload } = verdict.content
  const metadata = metadataOf(source, delivery, verdict)
  if (exceeds(payload + metadata, LIMITS.STORED_BYTES)) throw tooLarge(LIMITS.STORED_BYTES)
  const draft = { payload, metadata, event_id: null, identity: verdict.identity, not_before: null }
  const event = await newEvent(
    draft,
    null,
    undefined,
    request.correlationId,
    `source:${source.name}`,
    needed(configurationOf(env).subscriptions),
  )
  request.facts = { ...request.facts, event_id: event.event_id }
  const status = await deliver(env, { ...event, source: source.name })
  request.isLogged = status === 'accepted'
  return acknowledge(source.row.ack, event.event_id, status)
}

/** Answers GET /in/:source, by which Meta asks whether the URL is meant for it. Other senders never ask so. */
export async function getSubscription(
  request: InboxRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const source = sourceOf(request, env)
  await limitRate(env, `source:${source.name}`)
  const answer = await subscriptionAnswer(source, request.url)
  if (answer instanceof Response) return answer
  if (answer !== null) throw refusal(request, env, ctx, source, answer)
  throw new HttpError(405, 'METHOD_NOT_ALLOWED', 'Use POST here.', { headers: { Allow: 'POST' } })
}

/** Answers GET /sources: name, type and URL of each, and whether it works. Secrets are never in it. */
export async function getSources(request: InboxRequest, env: Env): Promise<Response> {
  const { sources } = configurationOf(env)
  if (sources.unreadable) throw notConfigured()
  const data = [...sources.named].map(([name, source]) => {
    const own = `${new URL(request.url).origin}/in/${name}`
    return source
      ? {
          name,
          type: source.type,
          url: urlOf(source, own),
          ready: true,
          setup: source.row.secretAt,
        }
      : { name, type: null, url: own, ready: false, setup: null }
  })
  return json({ data, timestamp: now() })
}

/** The URL to give to the sender; the secret part of one is left out. */
function urlOf(source: Source, own: string): string {
  return source.type === 'url-token' ? `${own}/{token}` : (source.url ?? own)
}

/** @throws HttpError 404 for a source that is not known, 503 for one whose configuration is wrong */
function sourceOf(request: InboxRequest, env: Env): Source {
  const { source: name = '', token } = request.params
  const source = sourceNamed(configurationOf(env).sources, name)
  if (source === null) throw notConfigured()
  if (!source || (token !== undefined && source.type !== 'url-token'))
    throw new HttpError(
      404,
      'SOURCE_NOT_FOUND',
      'There is no such source. GET /sources has all of them.',
    )
  request.facts = { source: name }
  return source
}

/** Counts a refusal, and makes its answer. The reason goes to the log only: it would help whoever guesses. */
function refusal(
  request: InboxRequest,
  env: Env,
  ctx: ExecutionContext,
  source: Source,
  reason: Reason,
): HttpError {
  request.facts = { ...request.facts, reason }
  if (reason === 'unusable_secret') {
    logOnce('error', `the secret of the source ${source.name} is no key`)
    return notConfigured()
  }
  const counting = countRefusal(source.name, shardNamed(env, shardName(0))).catch(
    (error: unknown) =>
      log('warn', 'refused deliveries could not be counted', { error: String(error) }),
  )
  ctx.waitUntil(counting)
  const challenge = source.type === 'basic' ? 'Basic' : 'Signature'
  return new HttpError(
    401,
    'UNPROVEN_DELIVERY',
    'The delivery is not proven to be of this source. Its signature or secret is missing, wrong or too old.',
    { headers: { 'WWW-Authenticate': `${challenge} realm="${source.name}"` } },
  )
}

/** Has the event's shard accept it, and asks again for a while when the shard is away. @throws HttpError 503 */
async function deliver(env: Env, event: NewEvent): Promise<Stored> {
  const deadline = Date.now() + MAX_WAIT_MS
  for (let wait = FIRST_WAIT_MS; ; wait *= 2) {
    const left = Math.max(1, deadline - Date.now())
    const outcome = await tryOnce(env, event, Math.min(left, MAX_TRY_MS))
    if (isHeld(outcome)) return outcome.outcome === 'accepted' ? 'accepted' : 'duplicate'
    if (outcome instanceof HttpError && outcome.code !== 'UNAVAILABLE') throw outcome
    if (Date.now() + wait >= deadline)
      throw unavailable('The shard of this event does not answer. Send the delivery again.')
    await scheduler.wait(wait)
  }
}

/** One try, together with the refusals that are not told yet. Whatever fails in it is an outcome. */
async function tryOnce(env: Env, event: NewEvent, timeoutMs: number): Promise<Outcome> {
  const refused = takeRefusals()
  const outcome = await withTimeout(acceptAll(env, [event], refused), timeoutMs).then(
    ([only]) => only,
    (error: unknown) => {
      if (error instanceof HttpError) return error
      log('error', 'a shard did not answer', { error: String(error) })
      return undefined
    },
  )
  if (!isHeld(outcome)) putBackRefusals(refused)
  return outcome
}
