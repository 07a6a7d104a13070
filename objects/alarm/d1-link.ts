import { type D1Change, MAX_STEP_EVENTS } from '../../d1/change'
import { isSchemaMissing, SCHEMA_MISSING } from '../../d1/reader'
import { type Fence, isRejection, writeToD1 } from '../../d1/writer'
import { type ToldState, isoTime } from '../../shared/event'
import { log, logOnce } from '../../shared/log'
import { backoffMs, fewer, MAX_DELAY_MS, more, waitUntil } from '../../shared/retry'
import { deletionChange } from '../journal'
import type { ShardStore } from '../store/shard-store'
import type { Refusal } from './refusal'

/**
 * A step stops looking for rejected rows after this many writes.
 * Halving a batch of 1,000 to find one row takes about 20. With many rejected rows, all that is left of the batch is
 * parked, and sorted out later.
 */
const MAX_WRITES_A_STEP = 60
/** A log line names at most this many of the requests it is about. */
const MAX_LOGGED_IDS = 20

/** Tells D1 of a shard's changes. While D1 does not take them, it backs off, makes room, or tells less at once. */
export class D1Link {
  readonly #db: D1Database
  readonly #shard: { id: string; name: string | undefined }
  readonly #store: ShardStore
  /** While D1 fails, it is not asked before this moment. */
  #retryAt = 0
  /** How many attempts have failed since the last success. */
  #failures = 0
  /** When the first of these attempts failed. */
  #failingSince = 0
  /** How many events D1 is told of at once. It falls after a write that was too much for D1. */
  #stepSize = MAX_STEP_EVENTS
  #deletionsAtOnce = MAX_STEP_EVENTS
  /** The place in the journal up to which D1 was told of deletions ahead of their turn. */
  #deletionsTold = { seq: 0, entry: 0 }
  #writes = 0

  constructor(db: D1Database, id: DurableObjectId, store: ShardStore) {
    this.#db = db
    this.#shard = { id: id.toString(), name: id.name }
    this.#store = store
  }

  /** The most events that D1 is told of at once. */
  get stepSize(): number {
    return this.#stepSize
  }

  /** How many writes to D1 there were since this object started. */
  get writes(): number {
    return this.#writes
  }

  /** Returns the milliseconds until D1 is asked again; 0 unless it fails. */
  backoff(): number {
    return waitUntil(this.#retryAt, MAX_DELAY_MS)
  }

  /**
   * Tells D1 of changes, and logs how that went. After a failure it first tries whether D1 takes writes at all. If so,
   * and D1 fails on these changes again, they are too many for it, or it is full: fewer are tried at once. If not, D1
   * is left alone, longer and longer.
   * @returns what D1 rejected; null when the attempt failed, for the caller to count
   */
  async tell(changes: D1Change[], states: Map<string, ToldState>): Promise<Refusal[] | null> {
    const startedAt = Date.now()
    const refused: Refusal[] = []
    const budget = { writes: MAX_WRITES_A_STEP }
    const events = changes.length
    const about = { shard: this.#shard.name, events }
    let works = false
    try {
      if (this.#failures > 0) {
        await this.#write([], refused, budget)
        works = true
        await this.#tellDeletions(budget)
      }
      await this.#write(changes, refused, budget)
    } catch (error) {
      if (works && events > 1) this.#stepSize = fewer(Math.min(events, this.#stepSize))
      const delay = works && events > 1 ? 0 : backoffMs(++this.#failures)
      this.#failingSince ||= startedAt
      this.#retryAt = Date.now() + delay
      if (isSchemaMissing(error)) logOnce('error', SCHEMA_MISSING, { error: String(error) })
      log('warn', 'D1 did not take a write; it will be tried again', {
        ...about,
        attempts: this.#failures,
        retry_in_ms: delay,
        correlation_ids: correlationIds(states),
        error: String(error),
      })
      return null
    }
    const done = { ...about, refused: refused.length, duration_ms: Date.now() - startedAt }
    if (this.#failures === 0) log('debug', 'D1 was told', done)
    else this.#logRecovery(done, states)
    this.#failures = 0
    this.#failingSince = 0
    this.#retryAt = 0
    this.#stepSize = more(this.#stepSize, MAX_STEP_EVENTS)
    return refused
  }

  #logRecovery(done: Record<string, unknown>, states: Map<string, ToldState>): void {
    const { unstored: events, stale: changes } = this.#store.journal.waiting()
    log('info', 'D1 takes writes again', {
      ...done,
      attempts: this.#failures,
      since: isoTime(this.#failingSince),
      waiting: { events, changes },
      correlation_ids: correlationIds(states),
    })
  }

  /**
   * Tells D1 of deletions ahead of their turn. A full D1 takes nothing else, and they make room. They stay in the
   * journal and are told again in their turn. The caller's own write comes next, whether D1 takes them or not.
   */
  async #tellDeletions(budget: { writes: number }): Promise<void> {
    while (budget.writes > MAX_WRITES_A_STEP / 2) {
      const end = this.#store.journal.end()
      const deletions = this.#store.journal.deletionsAfter(
        this.#deletionsTold,
        this.#deletionsAtOnce,
      )
      const last = deletions.at(-1)
      if (!last) {
        this.#deletionsTold = { seq: end, entry: Number.MAX_SAFE_INTEGER }
        return
      }
      try {
        await this.#write(deletions.map(deletionChange), [], budget)
        this.#deletionsTold = last
        this.#deletionsAtOnce = more(this.#deletionsAtOnce, MAX_STEP_EVENTS)
      } catch (error) {
        const { length } = deletions
        this.#deletionsAtOnce = fewer(Math.min(length, this.#deletionsAtOnce))
        const about = { shard: this.#shard.name, events: length, error: String(error) }
        log('warn', 'D1 did not take deletions ahead of their turn', about)
        if (length === 1) return
      }
    }
  }

  /** Writes to D1, and halves what D1 rejects until each rejected change is alone. @throws when D1 is unavailable */
  async #write(changes: D1Change[], refused: Refusal[], budget: { writes: number }): Promise<void> {
    const fence: Fence = { shard: this.#shard.id, tick: this.#store.clock.nextWrite() }
    budget.writes--
    this.#writes++
    try {
      await writeToD1(this.#db, fence, changes)
    } catch (error) {
      if (!isRejection(error)) throw error
      const alone = changes.length === 1
      if (alone || budget.writes <= 0) {
        refused.push(...changes.map((change) => ({ change, alone, error: String(error) })))
        return
      }
      const half = changes.length >> 1
      await this.#write(changes.slice(0, half), refused, budget)
      await this.#write(changes.slice(half), refused, budget)
    }
  }
}

/** Lists the requests that these events came in with, as many as a log line names. */
function correlationIds(states: Map<string, ToldState>): string[] {
  const ids = new Set([...states.values()].map(({ correlation_id }) => correlation_id))
  return [...ids].slice(0, MAX_LOGGED_IDS)
}
