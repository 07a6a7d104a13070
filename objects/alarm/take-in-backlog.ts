import type { ShardContext } from '../shard-context'
import type { ShardStore } from '../store/shard-store'
import type { Task } from './task'

/** A claim that finds nothing looks through so many steps of the backlog. */
const STEPS_A_CLAIM = 20

/** Makes those events claimable that a version without subscriptions has accepted or moved. */
export class TakeInBacklog implements Task {
  readonly #shard: ShardContext

  constructor(shard: ShardContext) {
    this.#shard = shard
  }

  dueAt(): number | null {
    return this.#shard.store.backlog.isEmpty() ? null : Date.now()
  }

  async run(): Promise<void> {
    const { store } = this.#shard
    store.transaction(() => takeInStep(store))
  }
}

/**
 * Takes in the backlog until something of this subscription can be claimed, within bounds. The caller runs it in a
 * transaction.
 */
export function takeInSome(store: ShardStore, subscription: string): void {
  for (let step = 0; step < STEPS_A_CLAIM; step++) {
    const taken = takeInStep(store)
    if (taken === null || taken.has(subscription)) return
  }
}

/** @returns the subscriptions of which something was taken in; null when there is no backlog left */
function takeInStep(store: ShardStore): Set<string> | null {
  const untaken = store.backlog.next()
  if (untaken === null) return null
  const now = store.clock.present()
  const inOrder = untaken.toSorted((a, b) => a.visible_at - b.visible_at)
  for (const [name, own] of Map.groupBy(inOrder, (each) => each.name)) {
    const first = own[0]?.visible_at ?? now
    // What can be claimed already shares rows.
    for (const [at, together] of Map.groupBy(own, ({ visible_at }) =>
      visible_at <= now ? first : visible_at,
    ))
      store.places.put(
        name,
        together.map(({ entry }) => entry),
        at,
      )
  }
  return new Set(untaken.map(({ name }) => name))
}
