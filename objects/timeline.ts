import type { EventState } from '../shared/event'
import type { Happened, What } from '../shared/timeline'

/** This module keeps what happened to an event in the event's own row. Pure. */

/** The newest ones are kept; of the others only how many there were. */
export const MAX_ITEMS = 20
const MAX_WHY = 200
const MAX_BY = 64

/** One happening, short: values that are missing at the end are left out. */
export type Item = [
  at: number,
  what: What,
  subscription: string,
  by: string,
  consumer?: string | null,
  attempt?: number | null,
  why?: string | null,
  lease?: string | null,
  claimed_at?: number | null,
]

/** How many were dropped, and the newest ones in the order in which they happened. */
type Stored = [dropped: number, ...items: Item[]]

/** Writes a happening short. */
export function itemOf(happened: Happened): Item {
  const { at, what, subscription, by, consumer, attempt, why, lease, claimed_at } = happened
  const rest = [consumer, attempt, why?.slice(0, MAX_WHY).toWellFormed(), lease, claimed_at]
  const length = rest.findLastIndex((value) => value != null) + 1
  const values = rest.slice(0, length).map((value) => value ?? null)
  return [at, what, subscription, by.slice(0, MAX_BY), ...values] as Item
}

/**
 * Adds items to those that an event's row has. Of more than MAX_ITEMS the oldest are dropped, but for the newest one of
 * each subscription: it says what a repeat of a settlement is told.
 * @param dropped how many happenings went before these items already
 */
export function withItems(state: EventState, items: Item[], dropped = 0): EventState {
  if (items.length === 0) return state
  const [before, ...kept] = stored(state)
  const all = [...kept, ...items]
  const newest = new Map(all.map((item) => [item[2], item]))
  const older = all.filter((item) => newest.get(item[2]) !== item)
  const gone = new Set(older.slice(0, Math.max(0, all.length - MAX_ITEMS)))
  const left = all.filter((item) => !gone.has(item))
  const timeline: Stored = [before + dropped + all.length - left.length, ...left]
  return { ...state, timeline: JSON.stringify(timeline) }
}

/** Finds what a lease did to an event's pair with a subscription, newest first. */
export function findByLease(state: EventState, lease: string): What | undefined {
  const [, ...items] = stored(state)
  return items.findLast((item) => item[7] === lease && item[1] !== 'expired')?.[1]
}

/** Reads what happened to an event, oldest first, and how many happenings went before. */
export function timelineOf(state: EventState, unwritten: Item[] = []) {
  const [dropped, ...items] = stored(state)
  return { dropped, happened: [...items, ...unwritten].map(happenedOf) }
}

function happenedOf(item: Item): Happened {
  const [at, what, subscription, by, consumer, attempt, why, lease, claimed_at] = item
  return {
    at,
    what,
    subscription,
    by,
    ...(consumer != null && { consumer }),
    ...(attempt != null && { attempt }),
    ...(why != null && { why }),
    ...(lease != null && { lease }),
    ...(claimed_at != null && { claimed_at }),
  }
}

function stored({ timeline }: EventState): Stored {
  return timeline ? JSON.parse(timeline) : [0]
}
