import { presentChange } from '../journal'
import { MAX_DELAY_MS, waitUntil } from '../../shared/retry'
import type { D1Link } from './d1-link'
import type { Task } from './task'
import type { ShardContext } from '../shard-context'
import { finishTold } from './told'

const MAX_PARKED_A_STEP = 100

/** Tries again, together, what D1 rejected. A write that is rejected again is halved until each row is alone. */
export class RetryParked implements Task {
  readonly #shard: ShardContext
  readonly #link: D1Link

  constructor(shard: ShardContext, link: D1Link) {
    this.#shard = shard
    this.#link = link
  }

  dueAt(): number | null {
    const nextAt = this.#shard.store.parked.nextAt()
    if (nextAt === null) return null
    return Date.now() + Math.max(this.#link.backoff(), waitUntil(nextAt, MAX_DELAY_MS))
  }

  async run(): Promise<void> {
    const { store } = this.#shard
    const most = Math.min(MAX_PARKED_A_STEP, this.#link.stepSize)
    const parked = store.parked.due(Date.now(), most)
    const ids = parked.map(({ event_id }) => event_id)
    const storedAt = store.clock.nextTimestamp()
    const states = store.events.states(ids)
    const changes = parked.map((each) => presentChange(each, states.get(each.event_id), storedAt))
    const refused = await this.#link.tell(changes, states)
    if (!refused) {
      const counted = [...store.events.states(ids).values()].map((state) => ({
        ...state,
        retry_count: state.retry_count + 1,
      }))
      return store.events.update(counted)
    }
    finishTold(this.#shard, changes, refused, storedAt, (taken) => {
      // An event that was deleted while D1 was asked is not parked any more, and has left the counts already.
      const unparked = taken.filter(({ event_id }) => store.parked.unpark(event_id))
      const stored = unparked.filter(({ insert }) => insert)
      return { waited: stored.length, stored }
    })
  }
}
