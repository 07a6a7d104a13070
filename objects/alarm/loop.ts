import { type Untold } from '../../shared/outcomes'
import { MAX_LINGER_MS, type Pace } from '../pace'
import { waitUntil, withTimeout } from '../../shared/retry'
import { D1Link } from './d1-link'
import { DrainJournal } from './drain-journal'
import { RetryParked } from './retry-parked'
import { SendDeadLetters } from './send-dead-letters'
import type { Task } from './task'
import type { ShardContext } from '../shard-context'

/** An alarm handler may run for 15 minutes; a busy one hands over to the next well before. */
const MAX_ALARM_MS = 60_000
/** An invocation may make 1,000 queries to D1, and a write is up to 6; the last step may take 70 more writes. */
const MAX_WRITES_AN_ALARM = 90

/** Does a shard's work in the background: one step at a time, its kinds by turns, for as long as it takes. */
export class AlarmLoop {
  readonly #shard: ShardContext
  readonly #link: D1Link
  readonly #drain: DrainJournal
  readonly #tasks: Task[]
  /** The step under way. One at a time: D1 ignores a write that comes behind a newer one. */
  #stepping: Promise<void> | undefined
  #turn = 0

  constructor(shard: ShardContext, id: DurableObjectId, pace: Pace) {
    this.#shard = shard
    this.#link = new D1Link(shard.env.DB, id, shard.store)
    this.#drain = new DrainJournal(shard, this.#link, pace)
    this.#tasks = [this.#drain, new RetryParked(shard, this.#link), new SendDeadLetters(shard)]
  }

  /** Writes out what the journal holds now, for so long or until D1 fails. @returns what D1 was not told of it */
  async flush(milliseconds: number): Promise<Untold> {
    const { store } = this.#shard
    const end = store.journal.end()
    let isOver = false
    const writeOut = async () => {
      while (!isOver && store.journal.commitsLeft(end) > 0 && this.#link.backoff() === 0)
        await this.#step(this.#drain)
    }
    await withTimeout(writeOut(), milliseconds).catch(() => {})
    isOver = true
    return store.untold(end)
  }

  /** Works until nothing is due any more, or soon. */
  async work(): Promise<void> {
    const deadline = Date.now() + MAX_ALARM_MS
    const writes = this.#link.writes
    while (
      waitUntil(deadline, MAX_ALARM_MS) > 0 &&
      this.#link.writes - writes < MAX_WRITES_AN_ALARM
    ) {
      const wait = this.untilNextWork()
      if (wait === null || wait > MAX_LINGER_MS) return
      // Waiting here is for the journal; a commit arms an alarm only if none is running.
      if (wait > 0 && this.#shard.store.journal.isEmpty()) return
      if (wait > 0) await scheduler.wait(wait)
      else await this.#step(this.#nextTask())
    }
  }

  /** Milliseconds until something is due; null when there is nothing to do. */
  untilNextWork(): number | null {
    const due = this.#tasks.map((task) => task.dueAt()).filter((at) => at !== null)
    return due.length === 0 ? null : Math.max(0, Math.min(...due) - Date.now())
  }

  /** Runs a task: whoever asks while one is under way waits for that one. */
  #step(task: Task | undefined): Promise<void> {
    if (!task) return this.#stepping ?? Promise.resolve()
    this.#stepping ??= task.run().finally(() => (this.#stepping = undefined))
    return this.#stepping
  }

  /** The next one in turn of those that are due: under steady load there always is a journal. */
  #nextTask(): Task | undefined {
    for (let offset = 1; offset <= this.#tasks.length; offset++) {
      const turn = (this.#turn + offset) % this.#tasks.length
      const dueAt = this.#tasks[turn]?.dueAt() ?? null
      if (dueAt === null || dueAt > Date.now()) continue
      this.#turn = turn
      return this.#tasks[turn]
    }
    return undefined
  }
}
