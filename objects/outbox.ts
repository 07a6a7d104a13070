import { D1_TIMEOUT_MS, isRejection, writeToD1 } from './d1-writer'
import { deadLetterBatches, deadLetterMessage } from './dead-letter'
import {
  bodiesOf,
  type D1Change,
  type EventBody,
  type EventState,
  fold,
  type JournalRow,
  presentChange,
} from './journal'
import { maxRetries, transition } from './lifecycle'
import { log } from './log'
import { backoffMs, withTimeout } from './retry'
import { addMove, type CountChanges, type Parked, type ShardStore } from './shard-store'

/** Under load a drain waits this long for more, so that it tells D1 of many commits at once. */
const LINGER_MS = 200
/** An alarm handler may run for 15 minutes; a busy one hands over to the next well before. */
const MAX_ALARM_MS = 60_000
/** Halving a refused batch of 1,000 to find one row takes about 20 writes; many refused rows are parked unfound, and sorted out one by one. */
const MAX_WRITES_A_STEP = 100
/** Bodies of so many dead letters, 100 KB each at most, fit into memory with ease. */
const DEAD_LETTERS_A_STEP = 50

/** What D1 would not have, and why. */
interface Refusal {
  change: D1Change
  reason: string
}

/** Takes what a shard holds to D1 and to the dead letter queue: one step at a time, for as long as it takes. */
export class Outbox {
  readonly #ctx: DurableObjectState
  readonly #env: Env
  readonly #store: ShardStore
  /** The step under way. One at a time: D1 ignores a write that comes behind a newer one. */
  #stepping: Promise<void> | undefined
  /** While D1 fails, nobody asks it before this moment. */
  #retryAt = 0
  #sendFailures = 0
  #sendAt = 0

  constructor(ctx: DurableObjectState, env: Env, store: ShardStore) {
    this.#ctx = ctx
    this.#env = env
    this.#store = store
  }

  /** Writes out what the journal holds now, until `deadline` or until D1 fails. @returns how many events D1 still has not got */
  async flush(deadline: number): Promise<number> {
    const end = this.#store.journalEnd()
    while (
      this.#store.left(end).commits > 0 &&
      Date.now() >= this.#retryAt &&
      Date.now() < deadline
    ) {
      await withTimeout(this.#step(), deadline - Date.now()).catch(() => {})
    }
    return this.#store.left(end).events + this.#store.countRefused()
  }

  /** Works until nothing is due. @returns milliseconds until something is, or null */
  async work(): Promise<number | null> {
    const deadline = Date.now() + MAX_ALARM_MS
    for (;;) {
      const wait = this.untilNextWork()
      if (wait !== 0) return wait
      if (Date.now() >= deadline) return 1
      const lingerUntil = Date.now() + LINGER_MS
      await this.#step()
      if (this.#store.hasJournal() && Date.now() >= this.#retryAt)
        await scheduler.wait(Math.max(0, lingerUntil - Date.now()))
    }
  }

  /** Milliseconds until something is due; null when there is nothing to do. */
  untilNextWork(): number | null {
    const due: number[] = []
    if (this.#store.hasJournal()) due.push(this.#retryAt)
    const parked = this.#store.nextParked()
    if (parked) due.push(Math.max(parked.retry_at ?? 0, this.#retryAt))
    if (this.#store.unsentDeadLetters(1).length > 0) due.push(this.#sendAt)
    return due.length === 0 ? null : Math.max(0, Math.min(...due) - Date.now())
  }

  /** Does one thing that is due: whoever asks while one is under way waits for that one. Failures are recorded, not thrown. */
  #step(): Promise<void> {
    this.#stepping ??= this.#doStep().finally(() => (this.#stepping = undefined))
    return this.#stepping
  }

  async #doStep(): Promise<void> {
    const now = Date.now()
    const parked = this.#store.nextParked()
    if (now >= this.#retryAt && this.#store.hasJournal()) await this.#drain(this.#store.nextStep())
    else if (now >= this.#retryAt && parked && now >= (parked.retry_at ?? 0))
      await this.#retryParked(parked)
    else if (now >= this.#sendAt) await this.#sendDeadLetters()
  }

  /** Tells D1 of these journal rows. */
  async #drain(rows: JournalRow[]): Promise<void> {
    const end = rows.at(-1)?.seq ?? 0
    const ids = rows.flatMap((row) => row.entries.map((entry) => entry.event_id))
    const storedAt = this.#store.tick()
    const changes = fold(rows, this.#store.states(ids), storedAt)
    const refused: Refusal[] = []
    try {
      await this.#write(changes, refused, { writes: MAX_WRITES_A_STEP })
    } catch (error) {
      this.#store.attemptFailed(end)
      this.#unavailable(error, (rows[0]?.attempts ?? 0) + 1)
      return
    }
    this.#ctx.storage.transactionSync(() => {
      this.#store.deleteJournal(end)
      this.#addAttempts(rows)
      for (const { change, reason } of refused) this.#refuse(change.event_id, change.insert, reason)
      const refusals = new Set(refused.map(({ change }) => change))
      const stored = changes.flatMap((change) =>
        change.insert && !refusals.has(change) ? [change.insert] : [],
      )
      this.#store.count({
        queue_depth: -rows.reduce((sum, row) => sum + row.accepted, 0),
        happened: { stored: stored.length },
        storeSeconds: stored.map(({ created_at }) => (storedAt - created_at) / 1000),
        processedAt: storedAt,
      })
    })
  }

  /** The attempts that the journal counted for a whole row become part of each event's own count. */
  #addAttempts(rows: JournalRow[]): void {
    for (const row of rows.filter(({ attempts }) => attempts > 0)) {
      const states = [...this.#store.states([...bodiesOf(row).keys()]).values()].filter(
        (state) => state.created_at === row.seq,
      )
      this.#store.update(
        states.map((state) => ({ ...state, retry_count: state.retry_count + row.attempts })),
      )
    }
  }

  /** Tries a parked event alone. */
  async #retryParked({ event_id, body, attempts }: Parked): Promise<void> {
    const storedAt = this.#store.tick()
    const change = presentChange(
      event_id,
      this.#store.states([event_id]).get(event_id),
      body,
      storedAt,
    )
    const refused: Refusal[] = []
    try {
      await this.#write([change], refused, { writes: 1 })
    } catch (error) {
      this.#unavailable(error, attempts)
      return
    }
    this.#ctx.storage.transactionSync(() => {
      for (const { reason } of refused) this.#refuse(event_id, body, reason)
      if (refused.length > 0 || !this.#store.unpark(event_id) || !body) return
      const storeSeconds = [(storedAt - (change.insert?.created_at ?? storedAt)) / 1000]
      this.#store.count({
        queue_depth: -1,
        happened: { stored: 1 },
        storeSeconds,
        processedAt: storedAt,
      })
    })
  }

  /** Tells D1; halves what it refuses until the refused ones are alone. @throws when D1 cannot be reached */
  async #write(changes: D1Change[], refused: Refusal[], budget: { writes: number }): Promise<void> {
    const fence = { shard: this.#ctx.id.toString(), tick: this.#store.tick() }
    // The tick is kept before it is used: after a crash the next write must not come behind this one.
    this.#store.count({})
    budget.writes--
    try {
      await writeToD1(this.#env.DB, fence, changes)
    } catch (error) {
      if (!isRejection(error)) throw error
      if (changes.length === 1 || budget.writes <= 0) {
        refused.push(...changes.map((change) => ({ change, reason: String(error) })))
        return
      }
      const half = changes.length >> 1
      await this.#write(changes.slice(0, half), refused, budget)
      await this.#write(changes.slice(half), refused, budget)
    }
  }

  /** Parks what D1 refused, for a later attempt; the last one fails it. `body` is null when D1 has the event already. */
  #refuse(event_id: string, body: EventBody | null, reason: string): void {
    const state = this.#store.states([event_id]).get(event_id)
    // Deleted while D1 was asked: the journal tells D1.
    if (!state && body) return
    const before = this.#store.parked(event_id)
    const attempts = (before?.attempts ?? 0) + 1
    const at = this.#store.tick()
    const counted = state && { ...state, retry_count: state.retry_count + 1 }
    const failed =
      counted && body && attempts >= maxRetries(this.#env)
        ? transition('refuse', counted, at, 0)
        : null
    log('warn', 'D1 refused an event', {
      shard: this.#ctx.id.name,
      event_id,
      correlation_id: state?.correlation_id,
      attempts,
      reason,
    })
    if (counted) this.#store.update([failed ?? counted])
    this.#store.park({
      event_id,
      body,
      attempts,
      reason,
      retry_at: failed ? null : Date.now() + backoffMs(attempts),
    })
    const changes: CountChanges = { queue_depth: body ? (failed ? 0 : 1) - (before ? 1 : 0) : 0 }
    if (failed) {
      addMove(changes, 'pending', 'failed')
      this.#store.addDeadLetters([{ event_id, reason, failed_at: at }])
    }
    this.#store.count(changes)
  }

  #unavailable(error: unknown, attempts: number): void {
    const delay = backoffMs(attempts)
    this.#retryAt = Date.now() + delay
    log('warn', 'D1 did not take a write; it will be tried again', {
      shard: this.#ctx.id.name,
      attempts,
      retry_in_ms: delay,
      error: String(error),
    })
  }

  /** Hands unsent dead letters to the queue; the shard's own record stays the truth. */
  async #sendDeadLetters(): Promise<void> {
    const letters = this.#store.unsentDeadLetters(DEAD_LETTERS_A_STEP)
    const states = this.#store.states(letters.map((letter) => letter.event_id))
    try {
      const messages = []
      for (const letter of letters) {
        const state = states.get(letter.event_id)
        if (state)
          messages.push(
            deadLetterMessage(this.#ctx.id.name ?? '', state, letter, await this.#bodyOf(state)),
          )
      }
      for (const batch of deadLetterBatches(messages)) await this.#env.DLQ.sendBatch(batch)
      this.#store.markSent(letters, Date.now())
      this.#sendFailures = 0
    } catch (error) {
      const delay = backoffMs(++this.#sendFailures)
      this.#sendAt = Date.now() + delay
      log('warn', 'dead letters could not be sent; they will be tried again', {
        shard: this.#ctx.id.name,
        retry_in_ms: delay,
        error: String(error),
      })
    }
  }

  /** The body from where it is: here until D1 has it, then there. */
  async #bodyOf(state: EventState): Promise<EventBody | null> {
    const held = this.#store.heldBody(state)
    if (held) return held
    const query = this.#env.DB.prepare('SELECT payload, metadata FROM events WHERE event_id = ?')
    return withTimeout(query.bind(state.event_id).first<EventBody>(), D1_TIMEOUT_MS)
  }
}
