import { configurationOf } from '../shared/config'
import type { HeldLease, Holders } from '../shared/claim'
import { isoTime } from '../shared/event'
import { subscriptionsIn } from '../shared/metrics'
import { json, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { isFormer } from './http/silence'
import { isSubscriptionName } from './lease-commands'
import { subscriptionNotFound } from './leases'
import { askAllShards } from './shards'

/** An answer lists at most so many leases, those first that end first. */
const MAX_LEASES = 100

/** Answers GET /subscriptions: how each is configured, and its counts at this moment. */
export async function getSubscriptions(_: InboxRequest, env: Env): Promise<Response> {
  return json({ data: await allSubscriptions(env), timestamp: now() })
}

/** Answers GET /subscriptions/:name with the same of one, and who holds what until when. 404 for an unknown one. */
export async function getSubscriptionNamed(request: InboxRequest, env: Env): Promise<Response> {
  const { name = '' } = request.params
  const subscription = (await allSubscriptions(env)).find((each) => each.name === name)
  if (!subscription || !isSubscriptionName(name)) throw subscriptionNotFound(name)
  const held = await askAllShards(env, (shard) =>
    shard.leases(name, MAX_LEASES).catch((error: unknown): Holders => {
      if (isFormer(error)) return { leases: [], waiting: 0 }
      throw error
    }),
  )
  const leases = held.flatMap((answer) => answer.leases)
  const shown = leases.toSorted((a, b) => a.expires_at - b.expires_at).slice(0, MAX_LEASES)
  // Who waits does so at every shard.
  const waiting = Math.max(...held.map((answer) => answer.waiting))
  return json({
    data: { ...subscription, waiting, leases: shown.map(leaseToJson) },
    timestamp: now(),
  })
}

/** Those that the configuration names, `inbox`, and those that still have something. */
async function allSubscriptions(env: Env) {
  const { subscriptions, maxRetries } = configurationOf(env)
  const shards = await askAllShards(env, (shard, count) => shard.metrics(count))
  const configured = subscriptions?.named ?? new Map()
  return subscriptionsIn(shards, configured.keys(), Date.now()).map(({ name, ...counts }) => {
    const own = configured.get(name)
    return {
      name,
      filter: own?.given ?? null,
      max_attempts: own?.maxAttempts ?? maxRetries,
      retry_seconds: own?.retrySeconds ?? null,
      ...counts,
    }
  })
}

function leaseToJson({ claimed_at, expires_at, by, ...lease }: HeldLease) {
  return { ...lease, token: by, claimed_at: isoTime(claimed_at), expires_at: isoTime(expires_at) }
}
