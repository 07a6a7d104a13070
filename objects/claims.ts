import type { Claimed, ClaimedEvent, ClaimRequest, SubscriptionMetrics } from '../shared/claim'
import type { EventBody, EventState } from '../shared/event'
import { LIMITS } from '../shared/limits'
import { type Bodies, bodiesOf } from './claimed-bodies'
import { type Candidates, LOOK_AGAIN_MS, type Look, type Place } from './candidates'
import {
  attemptOf,
  type Entry,
  expiriesOf,
  idsOf,
  keyOf,
  liveEntry,
  type LiveEntry,
  withExpiry,
} from './entries'
import { takeInSome } from './alarm/take-in-backlog'
import { ITSELF, Moves } from './moves'
import { maxExpiries, type Policy } from './policy'
import type { ShardContext } from './shard-context'
import type { Lease } from './store/leases'
import { itemOf } from './timeline'

/** A claim that finds only what is dead, or was moved meanwhile, looks again so often. */
const ROUNDS_A_CLAIM = 8
/** Maintenance looks at so many ended leases of a subscription at once. */
const LEASES_A_STEP = 50
const LOST = 'The database does not have the event any more.'

/** Leases events to consumers: each to one at a time. */
export class Claims {
  readonly #shard: ShardContext
  readonly #policy: Policy
  readonly #candidates: Candidates
  /** Up to which moment maintenance has looked at leases that had ended, by subscription. */
  readonly #lookedAt = new Map<string, number>()

  constructor(shard: ShardContext, policy: Policy, candidates: Candidates) {
    this.#shard = shard
    this.#policy = policy
    this.#candidates = candidates
  }

  /**
   * Leases up to `limit` events, those first that could be claimed first. It is one transaction.
   * A claim that is repeated, because its answer was lost, is answered with what its lease holds.
   * @param commit makes a change in a transaction of its own
   */
  async claim(request: ClaimRequest, commit: <T>(change: () => T) => T): Promise<Claimed> {
    const { store } = this.#shard
    const { subscription, limit } = request
    const before = store.leases.find(request.lease)
    if (before) return this.#again(before)
    let hasBacklog = !store.backlog.isEmpty()
    let isAway = this.#candidates.isD1Away()
    for (let round = 0; round < ROUNDS_A_CLAIM; round++) {
      const looks = this.#candidates.look(subscription, limit, isAway)
      if (looks.length === 0) {
        if (!hasBacklog)
          return this.#nothing(this.#candidates.nextMs(subscription, isAway), subscription)
        commit(() => takeInSome(store, subscription))
        hasBacklog = false
        continue
      }
      const bodies = await this.#read(subscription, looks, isAway)
      if (!bodies) {
        isAway = true
        continue
      }
      const claimed = commit(() => this.#take(request, looks, bodies))
      if (claimed.events.length > 0) return claimed
    }
    return this.#nothing(LOOK_AGAIN_MS, subscription)
  }

  #nothing(next_ms: number | null, subscription: string): Claimed {
    const is_known = (this.#shard.store.subscriptions().get(subscription)?.open ?? 0) > 0
    return { events: [], expires_at: 0, next_ms, is_known }
  }

  /** Answers a claim that was made before, as far as its bodies can be read. */
  async #again(lease: Lease): Promise<Claimed> {
    const { store } = this.#shard
    const states = store.events.states(idsOf(lease.entries))
    const live = lease.entries.flatMap(
      (entry) => liveEntry(entry, lease.subscription, states) ?? [],
    )
    const bodies = await bodiesOf(
      this.#shard,
      live.map(({ state }) => state),
      LIMITS.CLAIM_CHARS,
      (query) => query(),
    ).catch((): Bodies => new Map())
    const events = live.flatMap((own) => {
      const body = bodies.get(own.state.event_id)
      return body ? [{ state: own.state, body, attempt: attemptOf(own) }] : []
    })
    const { expires_at } = lease
    return { events: this.#shown(events), expires_at, next_ms: LOOK_AGAIN_MS, is_known: true }
  }

  /** Counts each subscription at this instant. */
  metrics(): Map<string, SubscriptionMetrics> {
    const { store } = this.#shard
    const now = store.clock.present()
    return new Map(
      [...store.subscriptions()].map(([name, counts]) => [
        name,
        {
          ...counts,
          leased: store.leases.leased(name, now),
          scheduled: store.ready.scheduled(name, now),
          oldest_ready_at: this.#candidates.oldestReadyAt(name),
        },
      ]),
    )
  }

  /**
   * Gives up what has used up its leases, whether or not anybody claims. The caller runs it in a transaction.
   * It looks at a bounded number of leases, those first that ended first.
   */
  failWornOut(subscription: string): void {
    const { store } = this.#shard
    const moves = new Moves(store, this.#policy)
    const from = this.#lookedAt.get(subscription) ?? 0
    const ended = store.leases
      .expired(subscription, store.clock.present(), from)
      .take(LEASES_A_STEP)
      .toArray()
    // The next step begins where this one ends, and the last one is followed by the first.
    const last = ended.length < LEASES_A_STEP ? 0 : (ended.at(-1)?.expires_at ?? 0)
    this.#lookedAt.set(subscription, last)
    for (const lease of ended) {
      const states = store.events.states(idsOf(lease.entries))
      const left = lease.entries.filter((entry) => {
        const live = liveEntry(entry, subscription, states)
        return live && !this.#failIfWornOut(moves, live, lease)
      })
      if (left.length < lease.entries.length) store.leases.replace(lease.lease, left)
    }
    moves.write()
  }

  /** Reads the bodies of what was found; null when D1 does not answer and none is at hand. */
  async #read(subscription: string, looks: Look[], isAway: boolean): Promise<Bodies | null> {
    const live = looks.flatMap((look) => look.live)
    const states = live.map(({ state }) => state)
    const reserved = <T>(query: () => Promise<T>) =>
      this.#candidates.reserve(subscription, live, query)
    const read = bodiesOf(this.#shard, states, LIMITS.CLAIM_CHARS, isAway ? null : reserved)
    return read.catch(() => {
      this.#candidates.d1Failed()
      return null
    })
  }

  /** Leases what still counts, in one row, and drops what does not. */
  #take(request: ClaimRequest, looks: Look[], bodies: Bodies): Claimed {
    const { store } = this.#shard
    const { subscription, lease, consumer, by } = request
    const claimed_at = store.clock.present()
    const moves = new Moves(store, this.#policy)
    const entries: Entry[] = []
    const events: { state: EventState; body: EventBody; attempt: number }[] = []
    const states = store.events.states(
      looks.flatMap(({ live }) => live.map(({ state }) => state.event_id)),
    )
    for (const { place, live, dead } of looks) {
      // The place, and the events, may have changed while bodies were read.
      const present = this.#present(subscription, place)
      const gone = new Set(dead)
      const ended = 'lease' in place ? place.lease : null
      for (const { entry } of live) {
        const own = present.has(keyOf(entry)) ? liveEntry(entry, subscription, states) : null
        const body = bodies.get(entry[0])
        if (!own || body === undefined) continue
        gone.add(keyOf(entry))
        if (ended && this.#failIfWornOut(moves, own, ended)) continue
        if (body === null) {
          moves.act(own.state, subscription, { verb: 'fail', reason: LOST }, ITSELF, { entry })
          continue
        }
        const next = ended ? expired(own, ended) : entry
        if (ended) moves.count(subscription, { expired: 1 })
        entries.push(next)
        events.push({ state: own.state, body, attempt: attemptOf({ ...own, entry: next }) })
      }
      this.#leave(subscription, place, present, gone)
    }
    const expires_at = claimed_at + request.lease_ms
    if (entries.length > 0) {
      store.places.lease({ lease, subscription, entries, consumer, by, claimed_at, expires_at })
      moves.count(subscription, { claimed: entries.length })
    }
    moves.write()
    return { events: this.#shown(events), expires_at, next_ms: null, is_known: true }
  }

  /** Reads what is in a place now, by key. */
  #present(subscription: string, place: Place): Map<string, Entry> {
    const { ready, leases } = this.#shard.store
    const byKey = (entries: Entry[]) => new Map(entries.map((entry) => [keyOf(entry), entry]))
    if ('row' in place) return byKey(ready.find(subscription, place.row))
    const lease = leases.find(place.lease.lease)
    // Its holder may have extended it.
    const isOver = lease && lease.expires_at <= this.#shard.store.clock.present()
    return byKey(isOver ? lease.entries : [])
  }

  /** Leaves in a place what is not gone. */
  #leave(subscription: string, place: Place, present: Map<string, Entry>, gone: Set<string>): void {
    const { ready, leases } = this.#shard.store
    const left = [...present].flatMap(([key, entry]) => (gone.has(key) ? [] : [entry]))
    if (left.length === present.size) return
    if ('row' in place) ready.replace(subscription, place.row, left)
    else leases.replace(place.lease.lease, left)
  }

  /** Gives the event up when this lease was the last that may end without an answer. @returns whether it did */
  #failIfWornOut(moves: Moves, live: LiveEntry, ended: Lease): boolean {
    const { subscription } = ended
    const expiries = expiriesOf(live) + 1
    if (expiries < maxExpiries(this.#policy, subscription)) return false
    const holder = ended.consumer ?? ended.by
    const reason = `The lease ended ${expiries} times without an answer; the last holder was ${holder}.`
    const entry = expired(live, ended)
    moves.act(live.state, subscription, { verb: 'fail', reason }, ITSELF, { entry })
    moves.count(subscription, { expired: 1 })
    return true
  }

  #shown(events: { state: EventState; body: EventBody; attempt: number }[]): ClaimedEvent[] {
    const shown = this.#shard.store.shown(events.map(({ state }) => state))
    return shown.flatMap(({ event_id, status, created_at, updated_at, retry_count }, index) => {
      const own = events[index]
      const row = { event_id, status, created_at, updated_at, retry_count }
      return own ? [{ ...row, ...own.body, attempt: own.attempt }] : []
    })
  }
}

/** Adds to an entry that the lease which held it has ended. */
function expired(
  live: LiveEntry,
  { subscription, expires_at, lease, consumer, by, claimed_at }: Lease,
): Entry {
  const happened = { what: 'expired', subscription, by, consumer, lease, claimed_at } as const
  return withExpiry(live.entry, itemOf({ ...happened, at: expires_at, attempt: attemptOf(live) }))
}
