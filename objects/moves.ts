import { type DeadLetter, type PairKey, subscriptionsByEvent } from '../shared/dead-letter'
import type { EventState } from '../shared/event'
import { addToSubscription, type CountsBySubscription } from '../shared/subscription-counts'
import type { Happened, What } from '../shared/timeline'
import type { Entry } from './entries'
import { lettersGone } from './letters'
import { isOpen, newPair, type OpenPair, type Pair, pairsOf, visibleFrom, withPairs } from './pairs'
import type { Policy } from './policy'
import { addMove, type CountChanges } from './store/counters'
import type { Taken } from './store/places'
import type { ShardStore } from './store/shard-store'
import { type Item, itemOf, withItems } from './timeline'

/** What is done to a pair. `fail` gives the event up. */
export type Act =
  | { verb: 'ack' | 'release' | 'retry' }
  | { verb: 'nack'; reason: string; delay_ms: number | null }
  | { verb: 'fail'; reason: string }

/** Who does it, and by which lease. */
export type Actor = Pick<Happened, 'by' | 'consumer' | 'lease' | 'claimed_at'>

/** What the inbox does by itself. */
export const ITSELF: Actor = { by: 'inbox' }

/**
 * Changes pairs, and writes once what follows from that: rows of events, the journal, counters, dead letters, and where
 * the events can be claimed next. The caller runs it in a transaction.
 * @example const moves = new Moves(store, policy); moves.act(state, 'inbox', { verb: 'ack' }, actor); moves.write()
 */
export class Moves {
  /** The moment of all changes, later than every one before. */
  readonly at: number
  readonly #store: ShardStore
  readonly #policy: Policy
  readonly #rows = new Map<string, { before: EventState; after: EventState }>()
  readonly #letters: DeadLetter[] = []
  /** The subscriptions in which an event was retried, by its id. */
  readonly #retried = new Map<string, string[]>()
  readonly #subscriptions: CountsBySubscription = new Map()
  readonly #puts: { name: string; visible_at: number; entry: Entry }[] = []

  constructor(store: ShardStore, policy: Policy) {
    this.#store = store
    this.#policy = policy
    this.at = store.clock.nextTimestamp()
  }

  /** Returns the event's row as it is after what was done so far. */
  present(state: EventState): EventState {
    return this.#rows.get(state.event_id)?.after ?? state
  }

  /** Counts what happened in a subscription besides. */
  count(name: string, counts: Parameters<typeof addToSubscription>[2]): void {
    addToSubscription(this.#subscriptions, name, counts)
  }

  /**
   * Does something to one pair.
   * @param taken what was taken out of a lease or of a row that cannot be claimed yet; in other rows it dies by itself
   * @returns the event's row afterwards, or null when the pair is not such that this can be done to it
   */
  act(found: EventState, name: string, act: Act, actor: Actor, taken?: Taken): EventState | null {
    const state = this.present(found)
    const pairs = pairsOf(state)
    const pair = pairs.get(name)
    const next = act.verb === 'retry' ? this.#retry(pair) : this.#next(name, pair, act, taken)
    if (next === undefined) return null
    if (next === null) pairs.delete(name)
    else pairs.set(name, next)
    const { event_id } = state
    if (isOpen(next ?? undefined) !== isOpen(pair))
      this.count(name, { open: isOpen(pair) ? -1 : 1 })
    if (next === 'failed') {
      const reason = 'reason' in act ? act.reason : ''
      this.#letters.push({ event_id, subscription: name, reason, failed_at: this.at })
      this.count(name, { failed: 1 })
    } else if (next !== null) {
      this.#puts.push({ name, visible_at: next.visible_at, entry: [event_id, next.at] })
    }
    const isAttempt = act.verb === 'nack' || (act.verb === 'retry' && !this.#retried.has(event_id))
    if (act.verb === 'retry')
      this.#retried.set(event_id, [...(this.#retried.get(event_id) ?? []), name])
    const row = { ...state, retry_count: state.retry_count + Number(isAttempt) }
    const items = this.#items(name, pair, next, act, actor, taken)
    const [, , expiries = 0, trail = []] = taken?.entry ?? []
    const after = withItems(withPairs(row, pairs), items, expiries - trail.length)
    const { before } = this.#rows.get(event_id) ?? { before: found }
    const isTold = before.status !== after.status || before.retry_count !== after.retry_count
    const shown = isTold ? { ...after, updated_at: this.at } : after
    this.#rows.set(event_id, { before, after: shown })
    return shown
  }

  /** Writes everything. */
  write(): void {
    const store = this.#store
    const rows = [...this.#rows.values()]
    const changes: CountChanges = { subscriptions: this.#subscriptions }
    for (const { before, after } of rows) addMove(changes, before.status, after.status)
    store.events.update(rows.map(({ after }) => after))
    const told = rows.filter(({ before, after }) => before.updated_at !== after.updated_at)
    const [redriven, changed] = [true, false].map((wanted) =>
      told
        .map(({ after }) => after)
        .filter(({ event_id }) => this.#retried.has(event_id) === wanted),
    )
    if (changed?.length) store.appendToJournal('change', changed)
    if (redriven?.length) {
      changes.letters = -this.#redrive(redriven)
      const ids = redriven.map(({ event_id }) => event_id)
      changes.queue_depth = store.parked.resume(ids, Date.now())
    }
    changes.letters = (changes.letters ?? 0) + store.letters.add(this.#letters)
    this.#writePuts()
    if (rows.length > 0 || this.#subscriptions.size > 0) store.count(changes)
  }

  /** Puts what can be claimed already into one row, and the rest into those of its moment. */
  #writePuts(): void {
    const now = this.#store.clock.present()
    for (const [name, own] of Map.groupBy(this.#puts, (put) => put.name)) {
      const visible = own.filter((put) => put.visible_at <= now)
      const first = Math.min(...visible.map((put) => put.visible_at))
      const together = Map.groupBy(own, ({ visible_at }) =>
        visible_at <= now ? first : visible_at,
      )
      for (const [visible_at, puts] of together)
        this.#store.places.put(
          name,
          puts.map(({ entry }) => entry),
          visible_at,
        )
    }
  }

  /** Takes the letters away of what was retried, here and, by the journal, in D1. @returns how many there were */
  #redrive(states: EventState[]): number {
    const { letters } = this.#store
    const all = subscriptionsByEvent(letters.ofEvents(states.map(({ event_id }) => event_id)))
    const gone = new Map<string, string[]>()
    for (const state of states) {
      const { event_id } = state
      const retried = this.#retried.get(event_id) ?? []
      const names = lettersGone(retried, pairsOf(state), all.get(event_id) ?? [])
      if (names) gone.set(event_id, names)
    }
    this.#store.appendToJournal('redrive', states, gone)
    const whole = states.map(({ event_id }) => event_id).filter((id) => !gone.has(id))
    const pairs = [...gone].flatMap(([id, names]) => names.map((name): PairKey => [id, name]))
    return letters.delete(whole) + letters.deletePairs(pairs)
  }

  #retry(pair: Pair | undefined): OpenPair | undefined {
    return pair === 'failed' ? newPair(this.at) : undefined
  }

  /** Decides what an open pair is next: null when it is settled for good, undefined when it is not open. */
  #next(
    name: string,
    pair: Pair | undefined,
    act: Exclude<Act, { verb: 'retry' }>,
    taken: Taken | undefined,
  ): Pair | null | undefined {
    if (!isOpen(pair)) return undefined
    const expiries = pair.expiries + (taken?.entry[2] ?? 0)
    if (act.verb === 'ack') return null
    if (act.verb === 'fail') return 'failed'
    // It keeps its `at` and its place; what its entry knows of expiries goes into the event's row.
    if (act.verb === 'release') return { ...pair, expiries }
    const nacks = pair.nacks + 1
    if (nacks >= this.#policy.maxAttempts(name)) return 'failed'
    const wait = ('delay_ms' in act ? act.delay_ms : null) ?? this.#policy.waitMs(name, nacks)
    const visible_at = wait > 0 ? visibleFrom(this.at, this.#store.clock.present() + wait) : this.at
    return { at: this.at, nacks, expiries, visible_at }
  }

  /** Tells what happened, and what the entry has carried until now. */
  #items(
    name: string,
    pair: Pair | undefined,
    next: Pair | null,
    act: Act,
    actor: Actor,
    taken: Taken | undefined,
  ): Item[] {
    // What the inbox gives up by itself has no attempt under way.
    const made = isOpen(pair) ? pair.nacks + pair.expiries + (taken?.entry[2] ?? 0) : null
    const attempt = made === null ? null : act.verb === 'fail' ? made || null : made + 1
    const carried = isOpen(pair) ? carriedBy(name, pair, taken, actor) : []
    const what: What = next === 'failed' ? 'failed' : PAST[act.verb]
    const why = 'reason' in act ? act.reason : null
    return [...carried, itemOf({ ...actor, at: this.at, what, subscription: name, attempt, why })]
  }
}

/** What an entry has carried until now: the leases that ended, and the one that it was taken out of. */
export function carriedBy(
  subscription: string,
  pair: OpenPair,
  taken: Taken | undefined,
  actor: Actor,
): Item[] {
  if (!taken) return []
  const [, , expiries = 0, trail = []] = taken.entry
  const { lease } = taken
  if (!lease || lease.lease === actor.lease) return trail
  const attempt = pair.nacks + pair.expiries + expiries + 1
  const claimed = {
    ...lease,
    at: lease.claimed_at,
    what: 'claimed',
    subscription,
    attempt,
  } as const
  return [...trail, itemOf(claimed)]
}

const PAST: Record<Act['verb'], What> = {
  ack: 'acked',
  nack: 'nacked',
  release: 'released',
  retry: 'retried',
  fail: 'failed',
}
