import { D1_TIMEOUT_MS, isRejection, writeToD1 } from './d1-writer'
import { deadLetterBatches, deadLetterMessage, MAX_MESSAGE_BYTES } from './dead-letter'
import { isoTime } from './event'
import {
  bodiesOf,
  bodyLength,
  type D1Change,
  deletionChange,
  type EventBody,
  type EventState,
  fold,
  type JournalRow,
  MAX_STEP_EVENTS,
  presentChange,
  withAttempts,
} from './journal'
import { maxRetries, transition } from './lifecycle'
import { log } from './log'
import { refusalReason } from './refusal-reason'
import { backoffMs, fewer, MAX_DELAY_MS, more, waitUntil, withTimeout } from './retry'
import { addMove, type CountChanges, type ShardStore, type Untold } from './shard-store'

/** Under load a drain waits at most so long for more to come in, so that it tells D1 of many commits at once. */
const MAX_LINGER_MS = 500
/** Load is at least so many calls within MAX_LINGER_MS. */
const MIN_LOAD_CALLS = 24
/** An alarm handler may run for 15 minutes; a busy one hands over to the next well before. */
const MAX_ALARM_MS = 60_000
/** Halving a refused batch of 1,000 to find one row takes about 20 writes; many refused rows are parked unfound, and sorted out by later steps. */
const MAX_WRITES_A_STEP = 60
/** An invocation may make 1,000 queries to D1, and a write is up to 6; the last step may take 70 more writes. */
const MAX_WRITES_AN_ALARM = 90
const MAX_PARKED_A_STEP = 100
/** A log line names so many of the requests it is about. */
const MAX_LOGGED_IDS = 20
const QUEUE_TIMEOUT_MS = 10_000
/** Bodies of so many dead letters, 100 KB each at most, fit into memory with ease. */
const DEAD_LETTERS_A_STEP = 50

const SMALL_BODIES = `
  SELECT event_id, payload, metadata FROM events
  WHERE event_id IN (SELECT value FROM json_each(?1)) AND octet_length(payload) + coalesce(octet_length(metadata), 0) < ?2`

/** What D1 would not have, and why. */
interface Refusal {
  change: D1Change
  /** Whether it was tried by itself. */
  alone: boolean
  /** What D1 said: for the log only. */
  error: string
}

/** Takes what a shard holds to D1 and to the dead letter queue: one step at a time, for as long as it takes. */
export class Outbox {
  readonly #ctx: DurableObjectState
  readonly #env: Env
  readonly #store: ShardStore
  /** The step under way. One at a time: D1 ignores a write that comes behind a newer one. */
  #stepping: Promise<boolean> | undefined
  /** While D1 fails, nobody asks it before this moment. */
  #retryAt = 0
  /** When the drain before began. */
  #drainedAt = 0
  /** About how many calls there were in the MAX_LINGER_MS before the last one. */
  #recentCalls = 0
  #calledAt = 0
  /** The next drain is not due before: it lingers under load. */
  #drainAt = 0
  /** Attempts that failed since the last one that did not. */
  #failures = 0
  /** When the first of them did. */
  #failingSince = 0
  /** How many events D1 is told of at once: fewer after a write that was too much for it. */
  #stepSize = MAX_STEP_EVENTS
  #deletionsAtOnce = MAX_STEP_EVENTS
  /** The place in the journal up to which D1 was told of deletions ahead of their turn. */
  #deletionsTold = { seq: 0, entry: 0 }
  /** Writes of this alarm. */
  #writes = 0
  #turn = 0
  #sendFailures = 0
  #sendAt = 0

  constructor(ctx: DurableObjectState, env: Env, store: ShardStore) {
    this.#ctx = ctx
    this.#env = env
    this.#store = store
  }

  /** Counts calls that came to change something: the load that drains adapt to. */
  noteCalls(calls: number): void {
    const now = Date.now()
    const elapsedMs = Math.max(0, now - this.#calledAt)
    this.#calledAt = now
    this.#recentCalls = this.#recentCalls * Math.exp(-elapsedMs / MAX_LINGER_MS) + calls
  }

  /** Writes out what the journal holds now, for so long or until D1 fails. @returns what D1 was not told of it */
  async flush(milliseconds: number): Promise<Untold> {
    const end = this.#store.journalEnd()
    let isOver = false
    const writeOut = async () => {
      let worked = true
      while (worked && !isOver && this.#store.commitsLeft(end) > 0) worked = await this.#step()
    }
    await withTimeout(writeOut(), milliseconds).catch(() => {})
    isOver = true
    return this.#store.untold(end)
  }

  /** Works until nothing is due any more, or soon. */
  async work(): Promise<void> {
    const deadline = Date.now() + MAX_ALARM_MS
    this.#writes = 0
    while (waitUntil(deadline, MAX_ALARM_MS) > 0 && this.#writes < MAX_WRITES_AN_ALARM) {
      const wait = this.untilNextWork()
      if (wait === null || wait > MAX_LINGER_MS) return
      // Waiting here is for the journal; a commit arms an alarm only if none is running.
      if (wait > 0 && !this.#store.hasJournal()) return
      if (wait > 0) await scheduler.wait(wait)
      else await this.#step()
    }
  }

  /** Milliseconds until something is due; null when there is nothing to do. */
  untilNextWork(): number | null {
    const waits = this.#tasks(waitUntil(this.#drainAt, MAX_LINGER_MS))
      .map(({ wait }) => wait)
      .filter((wait) => wait !== null)
    return waits.length === 0 ? null : Math.min(...waits)
  }

  /** The kinds of work, with the milliseconds until each is due; null where there is nothing to do. */
  #tasks(lingerMs = 0): { wait: number | null; run: () => Promise<void> }[] {
    const backoff = waitUntil(this.#retryAt, MAX_DELAY_MS)
    const parkedAt = this.#store.nextParkedAt()
    const parked = parkedAt === null ? null : waitUntil(parkedAt, MAX_DELAY_MS)
    const hasLetters = this.#store.hasUnsentDeadLetters()
    return [
      {
        wait: this.#store.hasJournal() ? Math.max(backoff, lingerMs) : null,
        run: () => this.#drain(),
      },
      {
        wait: parked === null ? null : Math.max(backoff, parked),
        run: () => this.#retryParked(),
      },
      {
        wait: hasLetters ? waitUntil(this.#sendAt, MAX_DELAY_MS) : null,
        run: () => this.#sendDeadLetters(),
      },
    ]
  }

  /** Does one thing that is due: whoever asks while one is under way waits for that one. Failures are recorded, not thrown. @returns whether anything was due */
  #step(): Promise<boolean> {
    this.#stepping ??= this.#doStep().finally(() => (this.#stepping = undefined))
    return this.#stepping
  }

  /** The kinds of work take turns: under steady load there always is a journal. */
  async #doStep(): Promise<boolean> {
    const tasks = this.#tasks()
    for (let offset = 1; offset <= tasks.length; offset++) {
      const turn = (this.#turn + offset) % tasks.length
      const task = tasks[turn]
      if (task?.wait !== 0) continue
      this.#turn = turn
      await task.run()
      return true
    }
    return false
  }

  /** Tells D1 of the oldest journal rows. */
  async #drain(): Promise<void> {
    const step = this.#store.nextStep(this.#stepSize)
    const { rows } = step
    const end = rows.at(-1)?.seq ?? 0
    const ids = rows.flatMap((row) => row.entries.map((entry) => entry.event_id))
    this.#linger(ids.length, this.#store.journalEnd() > end)
    const storedAt = this.#store.tick()
    const states = this.#store.states(ids)
    const changes = fold(rows, states, storedAt)
    const refused = await this.#tell(changes, states)
    if (!refused) return this.#store.attemptFailed(end)
    this.#ctx.storage.transactionSync(() => {
      const waited = this.#store.finishStep(step)
      this.#addAttempts(rows)
      for (const each of refused) this.#refuse(each)
      const refusals = new Set(refused.map(({ change }) => change))
      const stored = changes.flatMap((change) =>
        change.insert && !refusals.has(change) ? [change.insert] : [],
      )
      this.#store.count({
        queue_depth: -waited,
        happened: { stored: stored.length },
        storeSeconds: stored.map(({ created_at }) => (storedAt - created_at) / 1000),
        processedAt: storedAt,
      })
    })
  }

  /** Puts the next drain off until about a full step has come in, if calls come in fast and this step left none behind. */
  #linger(events: number, leavesSome: boolean): void {
    const now = Date.now()
    const elapsedMs = Math.max(0, now - this.#drainedAt)
    this.#drainedAt = now
    this.noteCalls(0)
    const isLoaded = this.#recentCalls >= MIN_LOAD_CALLS && !leavesSome
    this.#drainAt = isLoaded
      ? now + Math.min(MAX_LINGER_MS, Math.floor((MAX_STEP_EVENTS / events) * elapsedMs))
      : 0
  }

  /** The attempts that the journal counted for a whole row become part of each event's own count. */
  #addAttempts(rows: JournalRow[]): void {
    for (const row of rows.filter(({ attempts }) => attempts > 0)) {
      const states = [...this.#store.states([...bodiesOf(row).keys()]).values()].filter(
        (state) => state.created_at === row.seq,
      )
      this.#store.update(states.map((state) => withAttempts(state, row.attempts)))
    }
  }

  /** Tries the parked events that are due, together; what is refused again is alone at the end. */
  async #retryParked(): Promise<void> {
    const parked = this.#store.dueParked(Date.now(), Math.min(MAX_PARKED_A_STEP, this.#stepSize))
    const ids = parked.map(({ event_id }) => event_id)
    const storedAt = this.#store.tick()
    const states = this.#store.states(ids)
    const changes = parked.map((each) => presentChange(each, states.get(each.event_id), storedAt))
    const refused = await this.#tell(changes, states)
    if (!refused) {
      const counted = [...this.#store.states(ids).values()].map((state) => ({
        ...state,
        retry_count: state.retry_count + 1,
      }))
      return this.#store.update(counted)
    }
    this.#ctx.storage.transactionSync(() => {
      for (const each of refused) this.#refuse(each)
      const refusals = new Set(refused.map(({ change }) => change))
      const stored: number[] = []
      for (const change of changes.filter((each) => !refusals.has(each))) {
        // Deleted while D1 was asked: then it was taken out of the counts as well.
        if (this.#store.unpark(change.event_id) && change.insert)
          stored.push(change.insert.created_at)
      }
      this.#store.count({
        queue_depth: -stored.length,
        happened: { stored: stored.length },
        storeSeconds: stored.map((created_at) => (storedAt - created_at) / 1000),
        processedAt: storedAt,
      })
    })
  }

  /**
   * Tells D1 of changes, and the log how that went. After a failure it is first asked whether it works at all. If it does, and takes these
   * changes no better, then they are too many for it, or it is full: fewer are tried at once. If not, it is left alone, longer and longer.
   * @returns what it refused; null when the attempt failed, for the caller to count
   */
  async #tell(changes: D1Change[], states: Map<string, EventState>): Promise<Refusal[] | null> {
    const startedAt = Date.now()
    const refused: Refusal[] = []
    const budget = { writes: MAX_WRITES_A_STEP }
    const events = changes.length
    const about = { shard: this.#ctx.id.name, events }
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
    else
      log('info', 'D1 takes writes again', {
        ...done,
        attempts: this.#failures,
        since: isoTime(this.#failingSince),
        waiting: this.#store.waiting(this.#store.journalEnd()),
        correlation_ids: correlationIds(states),
      })
    this.#failures = 0
    this.#failingSince = 0
    this.#retryAt = 0
    this.#stepSize = more(this.#stepSize, MAX_STEP_EVENTS)
    return refused
  }

  /**
   * Tells D1 of deletions ahead of their turn: a full one takes nothing else, and they make room. They stay in the journal and are told
   * again in their turn. Whether it takes them or not, the caller's own write comes next.
   */
  async #tellDeletions(budget: { writes: number }): Promise<void> {
    while (budget.writes > MAX_WRITES_A_STEP / 2) {
      const end = this.#store.journalEnd()
      const deletions = this.#store.deletionsAfter(this.#deletionsTold, this.#deletionsAtOnce)
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
        const about = { shard: this.#ctx.id.name, events: length, error: String(error) }
        log('warn', 'D1 did not take deletions ahead of their turn', about)
        if (length === 1) return
      }
    }
  }

  /** Tells D1; halves what it refuses until the refused ones are alone. @throws when D1 cannot be reached */
  async #write(changes: D1Change[], refused: Refusal[], budget: { writes: number }): Promise<void> {
    const fence = { shard: this.#ctx.id.toString(), tick: this.#store.nextWrite() }
    budget.writes--
    this.#writes++
    try {
      await writeToD1(this.#env.DB, fence, changes)
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

  /** Parks what D1 refused, for a later attempt; the last one fails it. What was refused only in the company of others was not tried yet. */
  #refuse({ change, alone, error }: Refusal): void {
    const { event_id, insert } = change
    const state = this.#store.states([event_id]).get(event_id)
    const before = this.#store.parked(event_id)
    const deletes = Math.max(change.deleteBefore, before?.deletes ?? 0)
    const clears = Math.max(change.clearBefore, before?.clears ?? 0)
    // Deleted while D1 was asked: the journal tells D1.
    if (!state && deletes === 0 && clears === 0) return
    const body =
      state && (insert?.created_at === state.created_at ? insert : (before?.body ?? null))
    const attempts = (before?.attempts ?? 0) + Number(alone)
    const reason = refusalReason(error)
    const at = this.#store.tick()
    const most = maxRetries(this.#env)
    const counts = alone && attempts <= most
    const counted = state && { ...state, retry_count: state.retry_count + Number(counts) }
    const isLast = alone && attempts >= most
    const failed = counted && body && isLast ? transition('refuse', counted, at, 0) : null
    // One that its consumer has failed is given up too, and stays so until it is redriven.
    const wasGivenUp = before?.body && before.retry_at === null
    const isGivenUp = failed || (body && state?.status === 'failed' && (isLast || wasGivenUp))
    log('warn', 'D1 refused an event', {
      shard: this.#ctx.id.name,
      event_id,
      correlation_id: state?.correlation_id,
      attempts,
      reason,
      error,
    })
    if (counted) this.#store.update([failed ?? counted])
    const retry_at = isGivenUp ? null : Date.now() + (alone ? backoffMs(attempts) : 0)
    this.#store.park({ event_id, body: body ?? null, attempts, retry_at, reason, deletes, clears })
    const waited = before?.body && before.retry_at !== null
    const waits = body && retry_at !== null
    const changes: CountChanges = { queue_depth: Number(Boolean(waits)) - Number(Boolean(waited)) }
    if (failed) {
      addMove(changes, 'pending', 'failed')
      this.#store.addDeadLetters([{ event_id, reason, failed_at: at }])
    }
    this.#store.count(changes)
  }

  /** Hands unsent dead letters to the queue; the shard's own record stays the truth. */
  async #sendDeadLetters(): Promise<void> {
    const letters = this.#store.unsentDeadLetters(DEAD_LETTERS_A_STEP)
    const held = this.#store.states(letters.map((letter) => letter.event_id))
    const states = new Map(
      this.#store.shown([...held.values()]).map((each) => [each.event_id, each]),
    )
    try {
      const bodies = await this.#bodiesOf([...states.values()])
      const messages = letters.flatMap((letter) => {
        const state = states.get(letter.event_id)
        return state
          ? [
              deadLetterMessage(
                this.#ctx.id.name ?? '',
                state,
                letter,
                bodies.get(letter.event_id) ?? null,
              ),
            ]
          : []
      })
      for (const batch of deadLetterBatches(messages))
        await withTimeout(this.#env.DLQ.sendBatch(batch), QUEUE_TIMEOUT_MS)
      this.#store.markSent(letters, Date.now())
      this.#sendFailures = 0
      this.#sendAt = 0
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

  /** The bodies from where they are: here until D1 has them, then there; but for those too large for a message. */
  async #bodiesOf(states: EventState[]): Promise<Map<string, EventBody>> {
    const bodies = new Map<string, EventBody>()
    const elsewhere: string[] = []
    for (const state of states) {
      const held = this.#store.heldBody(state)
      if (!held) elsewhere.push(state.event_id)
      else if (bodyLength(held) < MAX_MESSAGE_BYTES) bodies.set(state.event_id, held)
    }
    if (elsewhere.length === 0) return bodies
    const query = this.#env.DB.prepare(SMALL_BODIES).bind(
      JSON.stringify(elsewhere),
      MAX_MESSAGE_BYTES,
    )
    const { results } = await withTimeout(
      query.all<EventBody & { event_id: string }>(),
      D1_TIMEOUT_MS,
    )
    for (const { event_id, ...body } of results) bodies.set(event_id, body)
    return bodies
  }
}

/** Of the requests that these events came in with, as many as a log line names. */
function correlationIds(states: Map<string, EventState>): string[] {
  const ids = new Set([...states.values()].map(({ correlation_id }) => correlation_id))
  return [...ids].slice(0, MAX_LOGGED_IDS)
}
