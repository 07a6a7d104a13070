import { type Untold } from '../../shared/outcomes'
import { MAX_LINGER_MS, type Pace } from '../pace'
import { waitUntil, withTimeout } from '../../shared/retry'
import { D1Link } from './d1-link'
import { DrainJournal } from './drain-journal'
import { RetryParked } from './retry-parked'
import { SendDeadLetters } from './send-dead-letters'
import { TakeInBacklog } from './take-in-backlog'
import type { Task } from './task'
import type { ShardContext } from '../shard-context'

/** A busy alarm hands over to the next one after this time; the platform allows a handler 15 minutes. */
const MAX_ALARM_MS = 60_000
/**
 * An alarm begins no step after this many writes.
 * An invocation may make 1,000 queries to D1, a write takes up to 7, and the last step may take 70 more writes.
 */
const MAX_WRITES_AN_ALARM = 70

/** Does a shard's background work, one step at a time. The kinds of work take turns, so that none starves. */
export class AlarmLoop {
  readonly #shard: ShardContext
  readonly #link: D1Link
  readonly #drain: DrainJournal
  readonly #tasks: Task[]
  /** The step under way. There is only one at a time, because D1 ignores a write that comes after a newer one. */
  #stepping: Promise<void> | undefined
  #turn = 0

  constructor(shard: ShardContext, id: DurableObjectId, pace: Pace) {
    this.#shard = shard
    this.#link = new D1Link(shard.env.DB, id, shard.store)
    this.#drain = new DrainJournal(shard, this.#link, pace)
    this.#tasks = [
      this.#drain,
      new RetryParked(shard, this.#link),
      new SendDeadLetters(shard),
      new TakeInBacklog(shard),
    ]
  }

  /** Says whether D1 has failed, and is left alone for now. */
  isD1Away(): boolean {
    return this.#link.backoff() > 0
  }

  /**
   * Tells D1 what the journal holds now, for at most so many milliseconds or until D1 fails.
   * @returns what D1 has still not been told of it
   */
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

  /** Works until nothing is due now or soon, or until this alarm has done its share. */
  async work(): Promise<void> {
    const deadline = Date.now() + MAX_ALARM_MS
    const writes = this.#link.writes
    while (
      waitUntil(deadline, MAX_ALARM_MS) > 0 &&
      this.#link.writes - writes < MAX_WRITES_AN_ALARM
    ) {
      const wait = this.untilNextWork()
      if (wait === null || wait > MAX_LINGER_MS) return
      // Only the journal is waited for here, because a commit arms no alarm while one is running.
      if (wait > 0 && this.#shard.store.journal.isEmpty()) return
      if (wait > 0) await scheduler.wait(wait)
      else await this.#step(this.#nextTask())
    }
  }

  /** Returns the milliseconds until something is due; null when there is nothing to do. */
  untilNextWork(): number | null {
    const due = this.#tasks.map((task) => task.dueAt()).filter((at) => at !== null)
    return due.length === 0 ? null : Math.max(0, Math.min(...due) - Date.now())
  }

  /** Runs a task. While another step is under way, it waits for that one instead. */
  #step(task: Task | undefined): Promise<void> {
    if (!task) return this.#stepping ?? Promise.resolve()
    this.#stepping ??= task.run().finally(() => (this.#stepping = undefined))
    return this.#stepping
  }

  /** Picks the next due task in turn. Under steady load the journal is always due, and must not keep out the others. */
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
