import type { EventState } from '../shared/event'
import { isOpen, type OpenPair, type PairState, pairsOf } from './pairs'
import { type Item, MAX_ITEMS } from './timeline'

/**
 * An entry is the place of a pair in a row of `ready`, or in a lease. It counts only while the event's row names the
 * same moment `at`, so one that an act on the id left behind is dead. Pure.
 */
export type Entry = [
  event_id: string,
  at: number,
  /** How many leases ended without an answer since `at`, and what the event's row has not been told of them. */
  expiries?: number,
  trail?: Item[],
]

/** An entry that counts, with its event's row, or the part of it that says so, and its pair there. */
export interface LiveEntry<State extends PairState = EventState> {
  entry: Entry
  state: State
  pair: OpenPair
}

/** Returns the entry's live form, or null when it is dead. */
export function liveEntry<State extends PairState>(
  entry: Entry,
  subscription: string,
  states: Map<string, State>,
): LiveEntry<State> | null {
  const [event_id, at] = entry
  const state = states.get(event_id)
  const pair = state && pairsOf(state).get(subscription)
  return state && isOpen(pair) && pair.at === at ? { entry, state, pair } : null
}

/** Counts all expiries of a pair: those in the event's row, and those of its entry. */
export function expiriesOf({ entry, pair }: LiveEntry<PairState>): number {
  return pair.expiries + (entry[2] ?? 0)
}

/** Says which attempt a claim of the entry is; 1 is the first. */
export function attemptOf(live: LiveEntry<PairState>): number {
  return live.pair.nacks + expiriesOf(live) + 1
}

/** Adds an expiry to an entry. */
export function withExpiry([event_id, at, expiries = 0, trail = []]: Entry, item: Item): Entry {
  return [event_id, at, expiries + 1, [...trail, item].slice(-MAX_ITEMS)]
}

/** Tells an entry from every other one of its subscription, also from those of the same event. */
export function keyOf([event_id, at]: Entry): string {
  return `${event_id} ${at}`
}

export function idsOf(entries: Entry[]): string[] {
  return entries.map(([event_id]) => event_id)
}
