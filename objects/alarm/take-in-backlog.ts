import { INBOX } from '../../shared/event'
import type { ShardContext } from '../shard-context'
import type { ShardStore } from '../store/shard-store'
import type { Task } from './task'

/** A claim that finds nothing looks through so many steps of the backlog. */
const STEPS_A_CLAIM = 20

/** Makes pending events claimable that were accepted by a version that knew no subscriptions. */
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

/** Takes in the backlog until something can be claimed, within bounds. The caller runs it in a transaction. */
export function takeInSome(store: ShardStore): boolean {
  for (let step = 0; step < STEPS_A_CLAIM; step++) {
    const taken = takeInStep(store)
    if (taken === null) return false
    if (taken > 0) return true
  }
  return false
}

/** @returns how many events were taken in; null when there is no backlog left */
function takeInStep(store: ShardStore): number | null {
  const entries = store.backlog.next()
  if (entries === null) return null
  const [oldest] = entries
  if (oldest) store.put(INBOX, entries, oldest[1])
  return entries.length
}
