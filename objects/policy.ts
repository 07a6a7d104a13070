import { configurationOf } from '../shared/config'
import { maxRetries } from '../shared/lifecycle'
import { retryWaitMs } from '../shared/subscriptions'

/** What a shard needs to know of the configuration of subscriptions. */
export interface Policy {
  /** So many nacks fail an event. */
  maxAttempts(subscription: string): number
  /** Returns the milliseconds until the next attempt, after the nack of that number. */
  waitMs(subscription: string, nacks: number): number
}

/** An event is given up after so many leases without an answer, or after `max_attempts` if that is more. */
const MIN_EXPIRIES = 10

export function maxExpiries(policy: Policy, subscription: string): number {
  return Math.max(MIN_EXPIRIES, policy.maxAttempts(subscription))
}

export function policyOf(env: Env): Policy {
  const configured = () => configurationOf(env).subscriptions
  const named = (name: string) => configured()?.named.get(name)
  return {
    // While the configuration is malformed, nothing is given up.
    maxAttempts: (name) =>
      configured() === null ? Infinity : (named(name)?.maxAttempts ?? maxRetries(env)),
    waitMs: (name, nacks) => retryWaitMs(named(name), nacks),
  }
}
