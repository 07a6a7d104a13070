import type { SubscriptionCounts } from './claim'

/** This module adds up what was done in each subscription. */

/** Counts by the name of the subscription. */
export type CountsBySubscription = Map<string, SubscriptionCounts>

export const NO_COUNTS: SubscriptionCounts = {
  open: 0,
  claimed: 0,
  settled: 0,
  expired: 0,
  failed: 0,
}

/** Adds counts to those of one subscription. */
export function addToSubscription(
  all: CountsBySubscription,
  name: string,
  more: Partial<SubscriptionCounts>,
): CountsBySubscription {
  const own = all.get(name) ?? NO_COUNTS
  const sum = (what: keyof SubscriptionCounts) => own[what] + (more[what] ?? 0)
  return all.set(name, {
    open: sum('open'),
    claimed: sum('claimed'),
    settled: sum('settled'),
    expired: sum('expired'),
    failed: sum('failed'),
  })
}

/** The sum of several. */
export function sumOfSubscriptions(each: Iterable<CountsBySubscription>): CountsBySubscription {
  const sum: CountsBySubscription = new Map()
  for (const counts of each) for (const [name, own] of counts) addToSubscription(sum, name, own)
  return sum
}

/** Counts as JSON text. */
export function encodeSubscriptions(counts: CountsBySubscription): string {
  return JSON.stringify(Object.fromEntries(counts))
}

export function decodeSubscriptions(text: string | null): CountsBySubscription {
  return new Map(Object.entries(text === null ? {} : (JSON.parse(text) as object)))
}
