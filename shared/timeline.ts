/** Declares what a timeline tells of an event. */

/**
 * What happened to an event in a subscription.
 * - `claimed`: somebody holds it now. What was claimed before is told by how that lease ended.
 * - `expired`: the lease ended without an answer.
 * - `failed`: the subscription gave it up.
 * - `retried`: it was made pending again.
 */
export type What = 'claimed' | 'acked' | 'nacked' | 'released' | 'expired' | 'failed' | 'retried'

/** One happening. Times are milliseconds since 1970. */
export interface Happened {
  at: number
  what: What
  subscription: string
  /** The name of the API token; `inbox` for what the inbox did itself. */
  by: string
  consumer?: string | null
  /** Which attempt it was; 1 is the first. */
  attempt?: number | null
  why?: string | null
  /** The name of the lease, and when it began. */
  lease?: string | null
  claimed_at?: number | null
}

/** What a subscription does with an event at this moment. */
export interface Taker {
  name: string
  status: 'ready' | 'leased' | 'scheduled' | 'failed'
  /** The number of the attempt under way, or of the next one; null when it was given up. */
  attempt: number | null
  /** From when on it can be claimed, or could be; null when it was given up. */
  visible_at: number | null
}

/** What is told of an event: the newest happenings, oldest first, and how many there were before. */
export interface Story {
  dropped: number
  happened: Happened[]
  takers: Taker[]
}
