import type { Entry } from '../entries'
import type { OpenPair } from '../pairs'
import type { Clock } from './clock'
import type { Lease, leasesOn } from './leases'
import type { readyOn } from './ready'

/** What was put into the rows of a subscription: how many can be claimed, and when the first of the others can. */
export interface News {
  visible: number
  nextAt: number
}

/** An entry that was taken out of its place, and the lease if that was one. */
export interface Taken {
  entry: Entry
  lease?: Lease
}

/** Moves entries between the rows of `ready` and leases, and remembers what is news to those who wait. */
export class Places {
  readonly #ready: ReturnType<typeof readyOn>
  readonly #leases: ReturnType<typeof leasesOn>
  readonly #clock: Clock
  #news = new Map<string, News>()
  /** A shard that has just started does not know. */
  #leftBehind = true

  constructor(
    ready: ReturnType<typeof readyOn>,
    leases: ReturnType<typeof leasesOn>,
    clock: Clock,
  ) {
    this.#ready = ready
    this.#leases = leases
    this.#clock = clock
  }

  /** Puts entries where consumers can claim them from `visible_at` on. */
  put(subscription: string, entries: Entry[], visible_at: number): void {
    const now = this.#clock.present()
    this.#ready.put(subscription, entries, visible_at, now)
    const news = this.#news.get(subscription) ?? { visible: 0, nextAt: Infinity }
    this.#news.set(
      subscription,
      visible_at <= now
        ? { ...news, visible: news.visible + entries.length }
        : { ...news, nextAt: Math.min(news.nextAt, visible_at) },
    )
  }

  /** Keeps a lease, and when those who wait may look again. */
  lease(lease: Lease): void {
    this.#leases.insert(lease)
    this.#willEnd(lease.subscription, lease.expires_at)
  }

  /** Lets a lease end at another moment. */
  extendLease({ lease, subscription }: Lease, expiresAt: number): void {
    this.#leases.extend(lease, expiresAt)
    this.#willEnd(subscription, expiresAt)
  }

  #willEnd(subscription: string, at: number): void {
    const { visible = 0, nextAt = Infinity } = this.#news.get(subscription) ?? {}
    this.#news.set(subscription, { visible, nextAt: Math.min(nextAt, at) })
  }

  /** Returns what was put since the last call, for those who wait. */
  takeNews(): Map<string, News> {
    const news = this.#news
    if (news.size > 0) this.#news = new Map()
    return news
  }

  /** Takes pairs out of leases, and out of rows that cannot be claimed yet, so that those sums stay exact. */
  takeOut(subscription: string, pairs: Map<string, OpenPair>): Map<string, Taken> {
    const now = this.#clock.present()
    const taken: Map<string, Taken> = this.#leases.takeOut(subscription, new Set(pairs.keys()))
    const hidden = [...pairs].filter(([, { visible_at }]) => visible_at > now)
    for (const [visible_at, own] of Map.groupBy(hidden, ([, pair]) => pair.visible_at)) {
      const ids = new Set(own.map(([id]) => id))
      for (const [id, entry] of this.#ready.takeOut(subscription, visible_at, ids))
        taken.set(id, { entry })
    }
    this.#leftBehind ||= taken.size < pairs.size
    return taken
  }

  /** Says, once, whether acts may have left dead entries in rows that can be claimed. */
  takeLeftBehind(): boolean {
    const leftBehind = this.#leftBehind
    this.#leftBehind = false
    return leftBehind
  }
}
