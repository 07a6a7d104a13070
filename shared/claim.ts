import type { StoredEvent } from './event'

/** Declares what worker and shard say to each other when consumers claim events and settle them. */

/** A consumer's wish for events. It is known by the name of its lease; its token never leaves the worker. */
export interface ClaimRequest {
  /** A digest of the token. It names the lease in logs and timelines. */
  lease: string
  subscription: string
  limit: number
  lease_ms: number
  consumer: string | null
  /** The name of the API token. */
  by: string
  /** Names the request while it waits, so that the shard knows who came when it was called. */
  waiter?: string
}

/** An event as a consumer gets it. `attempt` is 1 at first, and one more after each nack and each expiry. */
export interface ClaimedEvent extends StoredEvent {
  attempt: number
}

export interface Claimed {
  /** Nothing was leased when there are none. */
  events: ClaimedEvent[]
  /** When the lease ends, in milliseconds since 1970. */
  expires_at: number
  /**
   * How many milliseconds from now the next one can be claimed here; null while nothing is known to come.
   * It says so only when there are no events.
   */
  next_ms: number | null
  /** Whether the shard has events open in this subscription. */
  is_known: boolean
}

/** What a consumer says of the events that it holds. */
export interface Settlement {
  lease: string
  by: string
  ack: string[]
  nack: SettledNack[]
  release: string[]
}

export interface SettledNack {
  event_id: string
  reason: string
  /** Until the next attempt; null for the wait that the subscription has. */
  delay_ms: number | null
}

/**
 * What became of one event of a settlement.
 * - `failed`: this nack was the last one.
 * - `lost`: somebody else was given the event, or an operator acted on it. Nothing was changed.
 * - `gone`: there is no such event any more.
 */
export type SettleOutcome = 'acked' | 'nacked' | 'released' | 'failed' | 'lost' | 'gone'

export interface Settled {
  event_id: string
  outcome: SettleOutcome
}

/** What a lease holds once it was extended; null when it holds nothing. */
export type Extended = { expires_at: number; event_ids: string[] } | null

/** A lease as it is shown. Times are milliseconds since 1970. */
export interface HeldLease {
  lease: string
  consumer: string | null
  by: string
  claimed_at: number
  expires_at: number
  event_ids: string[]
}

/** Who holds events of a subscription in a shard, and how many wait for some. */
export interface Holders {
  leases: HeldLease[]
  waiting: number
}

/** One subscription's counts in a shard. The four sums only rise. */
export interface SubscriptionCounts {
  /** Events that it has neither settled for good nor given up. */
  open: number
  /** How often events were claimed, answered through a lease, and not answered until it ended. */
  claimed: number
  settled: number
  expired: number
  /** How often an event was given up. */
  failed: number
}

/** The same at one instant, with what follows from the clock. */
export interface SubscriptionMetrics extends SubscriptionCounts {
  leased: number
  /** Those that cannot be claimed yet. */
  scheduled: number
  /** Since when the first one can be claimed, in milliseconds since 1970. */
  oldest_ready_at: number | null
}
