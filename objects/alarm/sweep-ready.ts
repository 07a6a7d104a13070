import { liveEntry } from '../entries'
import type { ShardContext } from '../shard-context'

/** Before every row; the name of a subscription is never empty. */
const BEGIN = { subscription: '', visible_at: 0, part: 0 }

/**
 * Removes rows of `ready` that acts by id have left without a live entry. Claims drop what is dead as they come by;
 * this is for inboxes that are worked through by ids alone.
 */
export class SweepReady {
  readonly #shard: ShardContext
  #place = BEGIN

  constructor(shard: ShardContext) {
    this.#shard = shard
  }

  /** Looks at the next rows, as many as twice what so many acts may have left. */
  sweep(acts: number): void {
    const { store } = this.#shard
    if (this.#place === BEGIN && !store.places.takeLeftBehind()) return
    const most = 1 + Math.ceil(acts / 64)
    const rows = store.ready.after(
      this.#place.subscription,
      this.#place,
      store.clock.present(),
      most,
    )
    for (const row of rows) {
      const states = store.events.pairStates(row.entries.map(([id]) => id))
      const isDead = !row.entries.some((entry) => liveEntry(entry, row.subscription, states))
      if (isDead) store.ready.replace(row.subscription, row, [])
    }
    this.#place = rows.length < most ? BEGIN : (rows.at(-1) ?? BEGIN)
  }
}
