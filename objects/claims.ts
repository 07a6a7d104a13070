import { readBodies } from '../d1/events'
import type { Claimed, ClaimedEvent, ClaimRequest, SubscriptionMetrics } from '../shared/claim'
import { bodyLength, type EventBody, type EventState } from '../shared/event'
import { LIMITS } from '../shared/limits'
import { withTimeout } from '../shared/retry'
import type { Candidates, Look, Place } from './candidates'
import { attemptOf, type Entry, expiriesOf, liveEntry, type LiveEntry, withExpiry } from './entries'
import { takeInSome } from './alarm/take-in-backlog'
import { ITSELF, Moves } from './moves'
import { maxExpiries, type Policy } from './policy'
import type { ShardContext } from './shard-context'
import type { Lease } from './store/leases'
import { itemOf } from './timeline'

/** A claim asks D1 for bodies once, for at most this long. */
const BODIES_TIMEOUT_MS = 2_000
/** The body of an event; null when D1 answered and has none. Those that are missing could not be read now. */
type Bodies = Map<string, EventBody | null>

/** Leases events to consumers: each to one at a time. */
export class Claims {
  readonly #shard: ShardContext
  readonly #policy: Policy
  readonly #candidates: Candidates

  constructor(shard: ShardContext, policy: Policy, candidates: Candidates) {
    this.#shard = shard
    this.#policy = policy
    this.#candidates = candidates
  }

  /**
   * Leases up to `limit` events, those first that could be claimed first. It is one transaction.
   * @param commit makes a change in a transaction of its own
   */
  async claim(request: ClaimRequest, commit: <T>(change: () => T) => T): Promise<Claimed> {
    const { store } = this.#shard
    const { subscription, limit } = request
    for (let isAway = this.#candidates.isD1Away(); ;) {
      const looks = this.#candidates.look(subscription, limit, isAway)
      const live = looks.flatMap((look) => look.live)
      if (looks.length === 0) {
        if (!store.backlog.isEmpty() && commit(() => takeInSome(store))) continue
        return {
          events: [],
          expires_at: 0,
          next_ms: this.#candidates.nextMs(subscription, isAway),
          is_known: (store.subscriptions().get(subscription)?.open ?? 0) > 0,
        }
      }
      const bodies = await this.#bodiesOf(subscription, live, isAway)
      const claimed = commit(() => this.#take(request, looks, bodies))
      if (claimed.events.length > 0) return claimed
      isAway ||= bodies.size < live.length
    }
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
   * @returns how many
   */
  failExpired(subscription: string): void {
    const { store } = this.#shard
    const moves = new Moves(store, this.#policy)
    for (const lease of store.leases.expired(subscription, store.clock.present()).toArray()) {
      const states = store.events.states(lease.entries.map(([id]) => id))
      const left = lease.entries.filter((entry) => {
        const live = liveEntry(entry, subscription, states)
        return live && !this.#failIfWornOut(moves, live, lease)
      })
      if (left.length < lease.entries.length) store.leases.replace(lease.lease, left)
    }
    moves.write()
  }

  /** Reads bodies: from the journal and what is parked, else from D1 in one query. */
  async #bodiesOf(subscription: string, live: LiveEntry[], isAway: boolean): Promise<Bodies> {
    const { env, store } = this.#shard
    const states = live.map(({ state }) => state)
    const bodies: Bodies = store.heldBodies(states, LIMITS.CLAIM_CHARS)
    const elsewhere = states.map(({ event_id }) => event_id).filter((id) => !bodies.has(id))
    const chars = [...bodies.values()].reduce((sum, body) => sum + (body ? bodyLength(body) : 0), 0)
    const isFull = chars >= LIMITS.CLAIM_CHARS
    if (elsewhere.length === 0 || isFull || isAway) return bodies
    await this.#candidates
      .reserve(subscription, live, async () => {
        const asked = readBodies(env.DB, elsewhere, LIMITS.CLAIM_CHARS - chars)
        const rows = await withTimeout(asked, BODIES_TIMEOUT_MS)
        const found = new Map(rows.map((row) => [row.event_id, row]))
        for (const id of elsewhere) {
          const { payload = null, metadata = null } = found.get(id) ?? {}
          if (!found.has(id)) bodies.set(id, null)
          else if (payload !== null) bodies.set(id, { payload, metadata })
        }
      })
      // What is at hand is given out; the rest waits until D1 answers.
      .catch(() => {})
    return bodies
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
      const present = this.#present(subscription, place)
      const gone = new Set(dead)
      for (const { entry } of live) {
        const own = liveEntry(present.get(entry[0]) ?? entry, subscription, states)
        const body = bodies.get(entry[0])
        if (!own || !present.has(entry[0])) continue
        const ended = 'lease' in place ? place.lease : null
        if (body === undefined) continue
        gone.add(entry[0])
        if (ended && this.#failIfWornOut(moves, own, ended)) continue
        if (body === null) {
          const act = {
            verb: 'fail',
            reason: 'The database does not have the event any more.',
          } as const
          moves.act(own.state, subscription, act, ITSELF, { entry: own.entry })
          continue
        }
        const next = ended ? expired(own, ended) : own.entry
        if (ended) moves.count(subscription, { expired: 1 })
        entries.push(next)
        events.push({ state: own.state, body, attempt: attemptOf({ ...own, entry: next }) })
      }
      this.#leave(subscription, place, present, gone)
    }
    const expires_at = claimed_at + request.lease_ms
    if (entries.length > 0) {
      store.leases.insert({ lease, subscription, entries, consumer, by, claimed_at, expires_at })
      moves.count(subscription, { claimed: entries.length })
    }
    moves.write()
    return { events: this.#shown(events), expires_at, next_ms: null, is_known: true }
  }

  /** Reads what is in a place now: it may have changed while bodies were read. */
  #present(subscription: string, place: Place): Map<string, Entry> {
    const { ready, leases } = this.#shard.store
    if ('row' in place)
      return new Map(ready.find(subscription, place.row).map((entry) => [entry[0], entry]))
    const lease = leases.find(place.lease.lease)
    // Its holder may have extended it.
    const isOver = lease && lease.expires_at <= this.#shard.store.clock.present()
    return new Map(isOver ? lease.entries.map((entry) => [entry[0], entry]) : [])
  }

  #leave(subscription: string, place: Place, present: Map<string, Entry>, gone: Set<string>): void {
    const { ready, leases } = this.#shard.store
    const left = [...present.values()].filter(([id]) => !gone.has(id))
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
