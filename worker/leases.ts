import { configurationOf, needed } from '../shared/config'
import type { Claimed, ClaimedEvent, ClaimRequest, Settled } from '../shared/claim'
import { INBOX, isoTime } from '../shared/event'
import { jsonOf, JsonText } from '../shared/json'
import { LIMITS } from '../shared/limits'
import { firstOf, log } from '../shared/log'
import { HttpError } from '../shared/problem'
import { eventToJson, json, jsonText, now } from './http/answers'
import { readText, requireJson } from './http/body'
import type { InboxRequest } from './http/middleware'
import { isFormer, isPassing, shardSilent } from './http/silence'
import { digestOf } from './ingest/identity'
import { parseClaim, parseExtend, parseSettlement } from './lease-commands'
import { askShard, claimableShards, type Shard } from './shards'
import { waitForEvents } from './waiting'

/** This module gives events to consumers, each to one at a time, and takes what they say of them. */

/** A claim that found events: which shard has them. */
interface Found {
  index: number
  claimed: Claimed
}

/**
 * Answers POST /inbox/claim: leases events of one shard, or waits until some can be had.
 * 200 also when there are none, 404 for a subscription that nobody knows.
 */
export async function postClaim(request: InboxRequest, env: Env): Promise<Response> {
  if (request.headers.has('Content-Type')) requireJson(request)
  const { wait_ms, ...wish } = parseClaim(await readText(request, LIMITS.COMMAND_BYTES))
  const shards = await claimableShards(env)
  const secret = newSecret()
  const lease = await leaseName(secret)
  const { subscription } = wish
  const claim: ClaimRequest = { ...wish, lease, by: request.caller?.name ?? '' }
  request.facts = { subscription, consumer: wish.consumer ?? undefined }
  const found = await claimByTurns(env, shards, claim, wait_ms)
  if (!found) return json({ data: [], lease: null, timestamp: now() })
  const { events, expires_at } = found.claimed
  const ids = events.map(({ event_id }) => event_id)
  request.facts = { ...request.facts, lease, ...firstOf('event_ids', ids) }
  const data = new JsonText(`[${events.map(claimedToJson).join(',')}]`)
  const told = { token: `${found.index}.${secret}`, expires_at: isoTime(expires_at) }
  return jsonText(jsonOf({ data, lease: new JsonText(jsonOf(told)), timestamp: now() }))
}

/** Answers POST /leases/:token/extend: when the lease ends now, and what it still holds. 409 when it holds nothing. */
export async function postExtend(request: InboxRequest, env: Env): Promise<Response> {
  requireJson(request)
  const milliseconds = parseExtend(await readText(request, LIMITS.COMMAND_BYTES))
  const { shard, lease } = await leaseOf(request, env)
  const extended = await answered('POST /leases/:token/extend', shard.extend(lease, milliseconds))
  if (!extended) throw leaseLost()
  const { expires_at, event_ids } = extended
  return json({ data: { expires_at: isoTime(expires_at), event_ids }, timestamp: now() })
}

/** Answers POST /leases/:token/settle with one result an event: 200, 207 when some were lost, 409 when all were. */
export async function postSettle(request: InboxRequest, env: Env): Promise<Response> {
  requireJson(request)
  const said = parseSettlement(await readText(request, LIMITS.SETTLEMENT_BYTES))
  if (said.nack.length > 0) needsPolicy(env)
  const { shard, lease } = await leaseOf(request, env)
  const settlement = { ...said, lease, by: request.caller?.name ?? '' }
  const settled = await answered('POST /leases/:token/settle', shard.settle(settlement))
  const lost = settled.filter(isLost)
  request.facts = { ...request.facts, ...firstOf('lost', lost) }
  const data = settled.map(({ event_id, outcome }) => ({ event_id, status: outcome }))
  if (lost.length === settled.length) throw leaseLost({ data })
  return json({ data, timestamp: now() }, lost.length > 0 ? 207 : 200)
}

/** A nack may be the last one: how many there may be must be known. @throws HttpError 503 while it is not */
export function needsPolicy(env: Env): void {
  needed(configurationOf(env).maxRetries)
  needed(configurationOf(env).subscriptions)
}

function isLost({ outcome }: Settled): boolean {
  return outcome === 'lost' || outcome === 'gone'
}

/** Asks the shards by turns, beginning at any, until one has events; then waits for so many milliseconds. */
async function claimByTurns(
  env: Env,
  shards: Shard[],
  claim: ClaimRequest,
  waitMs: number,
): Promise<Found | null> {
  const deadline = Date.now() + waitMs
  const first = Math.floor(Math.random() * shards.length)
  let [isKnown, silent] = [isConfigured(env, claim.subscription), 0]
  for (let turn = 0; turn < shards.length; turn++) {
    const index = (first + turn) % shards.length
    const claimed = await claimFrom(shards[index], claim)
    if (claimed === null) silent++
    else if (claimed.events.length > 0) return { index, claimed }
    isKnown ||= claimed?.is_known ?? true
  }
  if (!isKnown) throw subscriptionNotFound(claim.subscription)
  if (waitMs === 0 && silent > 0) throw shardSilent('POST /inbox/claim')
  if (waitMs === 0) return null
  return waitForEvents(shards, claim, deadline, claimFrom)
}

/** Claims from one shard; null when it does not answer, or is of a version that does not lease. */
async function claimFrom(shard: Shard | undefined, claim: ClaimRequest): Promise<Claimed | null> {
  if (!shard) return null
  try {
    return await askShard(shard.claim(claim))
  } catch (error) {
    if (!isPassing(error) && !isFormer(error)) throw error
    log('error', 'a shard did not answer', { error: String(error) })
    return null
  }
}

/** Says whether the configuration names it. While that is malformed, it may. */
function isConfigured(env: Env, subscription: string): boolean {
  const { subscriptions } = configurationOf(env)
  return subscription === INBOX || subscriptions === null || subscriptions.named.has(subscription)
}

export function subscriptionNotFound(name: string): HttpError {
  const detail = `There is no subscription "${name}". GET /subscriptions has all of them.`
  return new HttpError(404, 'SUBSCRIPTION_NOT_FOUND', detail)
}

/** Waits for a shard that does what the holder of a lease wants. @throws HttpError 503 when it does not answer */
async function answered<Answer>(request: string, asked: Promise<Answer>): Promise<Answer> {
  try {
    return await askShard(asked)
  } catch (error) {
    if (!isPassing(error) && !isFormer(error)) throw error
    log('error', 'a shard did not answer', { error: String(error) })
    throw shardSilent(request)
  }
}

/** Finds the shard of the token in the path, and the name of the lease. @throws HttpError 409 for what is no token */
async function leaseOf(request: InboxRequest, env: Env): Promise<{ shard: Shard; lease: string }> {
  const [, index, secret] = /^(\d{1,3})\.([\w-]{22})$/.exec(request.params.token ?? '') ?? []
  if (secret === undefined) throw leaseLost()
  const shard = (await claimableShards(env))[Number(index)]
  const lease = await leaseName(secret)
  request.facts = { lease }
  if (!shard) throw leaseLost()
  return { shard, lease }
}

function leaseLost(members: Record<string, unknown> = {}): HttpError {
  const detail =
    'This lease holds none of these events any more: they were settled, deleted, or given to another consumer.'
  return new HttpError(409, 'LEASE_LOST', detail, { members })
}

/** Makes the secret part of a token: 128 random bits as base64url. */
function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Names a lease by the digest of its secret. The name can be shown and logged; shards know no more. */
async function leaseName(secret: string): Promise<string> {
  return (await digestOf(secret)).slice(0, 22)
}

function claimedToJson({ attempt, created_at, updated_at, ...event }: ClaimedEvent): string {
  const times = { created_at: isoTime(created_at), updated_at: isoTime(updated_at) }
  return eventToJson({ ...event, ...times }, { attempt })
}
