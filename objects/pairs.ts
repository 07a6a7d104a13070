import { type EventState, type EventStatus, INBOX } from '../shared/event'

/**
 * A pair is an event and a subscription that takes it. This module reads the pairs of an event from its row and writes
 * them back. Pure.
 */

/** The subscription has the event open: it waits to be claimed, or somebody holds it. Times are ms since 1970. */
export interface OpenPair {
  /** When a write of the event's row put it last. An entry counts only while it names the same moment. */
  at: number
  /** Since the event was accepted or last retried. */
  nacks: number
  /** The same for leases that ended without an answer. Those since `at` are counted by the entry. */
  expiries: number
  /** From this moment on it can be claimed. */
  visible_at: number
}

export type Pair = OpenPair | 'failed'

/** By the name of the subscription. Pairs that were settled for good are left out. */
export type Pairs = Map<string, Pair>

/** The columns that say what the pairs are. */
export type PairState = Pick<
  EventState,
  'event_id' | 'status' | 'created_at' | 'nacks' | 'subscriptions'
>

/** Of a pair: `at`, nacks, expiries and how long after `at` it can be claimed. Zeros at the end are left out. */
type Encoded = [at: number, nacks?: number, expiries?: number, hidden?: number] | 'failed'

/** Reads the pairs of an event. A row that says nothing of them is one that `inbox` alone takes. */
export function pairsOf(state: PairState): Pairs {
  if (state.subscriptions == null) return defaultPairs(state)
  const stored: Record<string, Encoded> = JSON.parse(state.subscriptions)
  return new Map(Object.entries(stored).map(([name, pair]) => [name, decode(pair)]))
}

/** Says whether the pair is open. */
export function isOpen(pair: Pair | undefined): pair is OpenPair {
  return pair !== undefined && pair !== 'failed'
}

/** Makes the pair of an event that a subscription takes at `at`. */
export function newPair(at: number, visible_at = at): OpenPair {
  return { at, nacks: 0, expiries: 0, visible_at }
}

/**
 * Says from when on what is put at `at` can be claimed.
 * What has to wait does so until a full second: all that wait for the same one share its rows.
 */
export function visibleFrom(at: number, moment: number): number {
  return moment <= at ? at : Math.ceil(moment / 1_000) * 1_000
}

/** Puts the pairs into the event's row, and with them its status. */
export function withPairs<State extends PairState>(state: State, pairs: Pairs): State {
  const moved = { ...state, status: statusOf(pairs), subscriptions: null }
  const text = encodePairs(pairs)
  return text === encodePairs(pairsOf(moved)) ? moved : { ...moved, subscriptions: text }
}

/** Fails all open pairs of an event at once. @returns null when none is open */
export function failOpenPairs(state: EventState, at: number): FailedPairs | null {
  const pairs = pairsOf(state)
  const open = [...pairs].flatMap(([name, pair]) => (isOpen(pair) ? [[name, pair] as const] : []))
  if (open.length === 0) return null
  for (const [name] of open) pairs.set(name, 'failed')
  return { state: { ...withPairs(state, pairs), updated_at: at }, open: new Map(open) }
}

export interface FailedPairs {
  state: EventState
  /** What was open. */
  open: Map<string, OpenPair>
}

/** Writes the pairs of a new event; null when `inbox` alone takes it, at once. */
export function encodeNewPairs(
  names: string[] = [INBOX],
  notBefore: number | undefined,
  at: number,
): string | null {
  const visible_at = visibleFrom(at, notBefore ?? at)
  const isPlain = names.length === 1 && names[0] === INBOX && visible_at === at
  return isPlain ? null : encodePairs(new Map(names.map((name) => [name, newPair(at, visible_at)])))
}

/** An event is failed once a subscription has given it up, and delivered once all have settled it. */
function statusOf(pairs: Pairs): EventStatus {
  if (pairs.size === 0) return 'delivered'
  return [...pairs.values()].includes('failed') ? 'failed' : 'pending'
}

function defaultPairs({ status, created_at, nacks }: PairState): Pairs {
  if (status === 'delivered') return new Map()
  const pair = status === 'failed' ? status : { ...newPair(created_at), nacks }
  return new Map([[INBOX, pair]])
}

function encodePairs(pairs: Pairs): string {
  const encoded = [...pairs].map(([name, pair]) => [name, encode(pair)])
  return JSON.stringify(Object.fromEntries(encoded))
}

function encode(pair: Pair): Encoded {
  if (pair === 'failed') return pair
  const { at, nacks, expiries, visible_at } = pair
  const rest = [nacks, expiries, visible_at - at]
  const length = rest.findLastIndex((value) => value !== 0) + 1
  return [at, ...rest.slice(0, length)] as Encoded
}

function decode(pair: Encoded): Pair {
  if (pair === 'failed') return pair
  const [at, nacks = 0, expiries = 0, hidden = 0] = pair
  return { at, nacks, expiries, visible_at: at + hidden }
}
