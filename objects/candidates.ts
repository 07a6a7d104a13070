import { waitUntil } from '../shared/retry'
import { idsOf, keyOf, liveEntry, type LiveEntry } from './entries'
import type { PairState } from './pairs'
import type { ShardContext } from './shard-context'
import type { Lease } from './store/leases'
import type { ReadyRow } from './store/ready'

/** A look ends after so many rows. A claim then goes on; those who only ask look again a little later. */
const ROWS_A_LOOK = 128
/** While D1 does not answer, those who wait look again after this time. */
export const LOOK_AGAIN_MS = 1_000

/** A row of `ready`, or a lease whose time is over. */
export type Place = { row: ReadyRow } | { lease: Lease }

/** What a look found in one place. */
export interface Look {
  place: Place
  live: LiveEntry<PairState>[]
  /** The keys of entries that do not count any more, and never will again. */
  dead: Set<string>
}

/** Finds what consumers can claim: what waits in rows, and what leases hold whose time is over. It changes nothing. */
export class Candidates {
  readonly #shard: ShardContext
  readonly #isD1Away: () => boolean
  /** When a claim could not read from D1 the last time; it is left alone for a while. */
  #failedAt = -Infinity
  /** The subscriptions in which the last look ended before it had found something. */
  readonly #cutShort = new Set<string>()
  /** Where the next look begins while D1 is away, in those. */
  readonly #nextFrom = new Map<string, number>()
  /** Pairs whose bodies a claim is reading. No other claim takes them meanwhile. */
  readonly #reserved = new Set<string>()

  /** @param isD1Away says whether the alarm leaves D1 alone for now */
  constructor(shard: ShardContext, isD1Away: () => boolean) {
    this.#shard = shard
    this.#isD1Away = isD1Away
  }

  /** Says whether claims leave D1 alone for now. */
  isD1Away(): boolean {
    return this.#isD1Away() || waitUntil(this.#failedAt + LOOK_AGAIN_MS, LOOK_AGAIN_MS) > 0
  }

  /** Notes that D1 did not answer a claim. */
  d1Failed(): void {
    this.#failedAt = Date.now()
  }

  /** Finds what could be claimed. While D1 is away, only what has its body here is looked for. */
  look(subscription: string, limit: number, isAway: boolean): Look[] {
    const { store } = this.#shard
    const now = store.clock.present()
    const from = isAway ? (this.#nextFrom.get(subscription) ?? store.journal.begin(now)) : 0
    this.#cutShort.delete(subscription)
    if (isAway) this.#nextFrom.delete(subscription)
    const looks: Look[] = []
    let [found, read] = [0, 0]
    for (const place of this.#places(subscription, now, from)) {
      if (found >= limit) break
      if (read++ >= ROWS_A_LOOK) {
        if (found > 0) break
        this.#cutShort.add(subscription)
        const at = 'row' in place ? place.row.visible_at : place.lease.expires_at
        if (isAway) this.#nextFrom.set(subscription, at)
        break
      }
      const all = 'row' in place ? place.row.entries : place.lease.entries
      const entries = all.filter((entry) => !this.#reserved.has(`${subscription} ${keyOf(entry)}`))
      const live: Look['live'] = []
      const dead = new Set<string>()
      // No more rows of events are read than it takes: most entries are live.
      for (let next = 0; next < entries.length && found < limit;) {
        const some = entries.slice(next, next + limit - found)
        next += some.length
        const states = store.events.pairStates(idsOf(some))
        const held = isAway ? store.held([...states.values()]) : null
        for (const entry of some) {
          const own = liveEntry(entry, subscription, states)
          if (!own) dead.add(keyOf(entry))
          else if (!held || held.has(entry[0])) {
            live.push(own)
            found++
          }
        }
      }
      if (live.length > 0 || dead.size > 0) looks.push({ place, live, dead })
    }
    return looks
  }

  /** Says whether a claim would find something now. It may find less: this does not read bodies. */
  hasReady(subscription: string): boolean {
    return this.look(subscription, 1, this.isD1Away()).some(({ live }) => live.length > 0)
  }

  /** Since when the first one can be claimed, in milliseconds since 1970; null when there is none. */
  oldestReadyAt(subscription: string): number | null {
    const [first] = this.look(subscription, 1, false).flatMap(({ place, live }) =>
      live.map(({ pair }) => ('lease' in place ? place.lease.expires_at : pair.visible_at)),
    )
    return first ?? null
  }

  /** Returns the milliseconds until something can be claimed that cannot be yet; null when nothing is known to come. */
  nextMs(subscription: string, isAway = this.isD1Away()): number | null {
    const { store } = this.#shard
    const now = store.clock.present()
    const times = [store.ready.nextAt(subscription, now), store.leases.nextAt(subscription, now)]
    const known = times.filter((at) => at !== null).map((at) => at - now)
    // Nobody tells those who wait that D1 is back, or that another claim could not take what it had reserved.
    const mayHave = this.#reserved.size > 0 || this.#cutShort.has(subscription)
    if (isAway || mayHave || !store.backlog.isEmpty()) known.push(LOOK_AGAIN_MS)
    return known.length === 0 ? null : Math.max(1, Math.min(...known))
  }

  /** Keeps pairs from other claims while `work` goes on, and no longer. */
  async reserve<T>(subscription: string, live: Look['live'], work: () => Promise<T>): Promise<T> {
    const keys = live.map(({ entry }) => `${subscription} ${keyOf(entry)}`)
    for (const key of keys) this.#reserved.add(key)
    try {
      return await work()
    } finally {
      for (const key of keys) this.#reserved.delete(key)
    }
  }

  /** Yields rows and ended leases in the order in which they could be claimed. */
  *#places(subscription: string, now: number, from: number): Generator<Place> {
    const { ready, leases } = this.#shard.store
    const rows = ready.visible(subscription, now, from)
    const ended = leases.expired(subscription, now, from)
    try {
      let [row, lease] = [rows.next(), ended.next()]
      while (!row.done || !lease.done) {
        if (!row.done && (lease.done || row.value.visible_at <= lease.value.expires_at)) {
          yield { row: row.value }
          row = rows.next()
        } else if (!lease.done) {
          yield { lease: lease.value }
          lease = ended.next()
        }
      }
    } finally {
      rows.return(undefined)
      ended.return(undefined)
    }
  }
}
