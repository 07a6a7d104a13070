import { MAX_STEP_EVENTS } from '../../d1/change'
import { bodiesOf, fold, type JournalRow, withAttempts } from '../journal'
import type { Pace } from '../pace'
import type { D1Link } from './d1-link'
import { SweepReady } from './sweep-ready'
import type { Task } from './task'
import type { ShardContext } from '../shard-context'
import { finishTold } from './told'

/** Tells D1 of the oldest rows of the journal, and removes them once D1 has them. */
export class DrainJournal implements Task {
  readonly #shard: ShardContext
  readonly #link: D1Link
  readonly #pace: Pace
  readonly #sweep: SweepReady

  constructor(shard: ShardContext, link: D1Link, pace: Pace) {
    this.#shard = shard
    this.#link = link
    this.#pace = pace
    this.#sweep = new SweepReady(shard)
  }

  dueAt(): number | null {
    if (this.#shard.store.journal.isEmpty()) return null
    return Date.now() + Math.max(this.#link.backoff(), this.#pace.linger())
  }

  async run(): Promise<void> {
    const { store } = this.#shard
    const step = store.journal.nextStep(this.#link.stepSize)
    const { rows } = step
    const end = rows.at(-1)?.seq ?? 0
    const ids = rows.flatMap((row) => row.entries.map((entry) => entry.event_id))
    this.#pace.drained(ids.length, MAX_STEP_EVENTS, store.journal.end() > end)
    const storedAt = store.clock.nextTimestamp()
    const states = store.events.toldStates(ids)
    const changes = fold(rows, states, storedAt)
    const refused = await this.#link.tell(changes, states)
    if (!refused) return store.journal.attemptFailed(end)
    finishTold(this.#shard, changes, refused, storedAt, (taken) => {
      const waited = store.finishStep(step)
      this.#addAttempts(rows)
      return { waited, stored: taken }
    })
    this.#sweep.sweep(ids.length)
  }

  /** Adds the attempts that the journal counted for a whole row to each event's own count. */
  #addAttempts(rows: JournalRow[]): void {
    const { events } = this.#shard.store
    for (const row of rows.filter(({ attempts }) => attempts > 0)) {
      const states = [...events.states([...bodiesOf(row).keys()]).values()]
      const own = states.filter(({ created_at }) => created_at === row.seq)
      events.update(own.map((state) => withAttempts(state, row.attempts)))
    }
  }
}
