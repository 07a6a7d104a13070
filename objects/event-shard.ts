import { DurableObject } from 'cloudflare:workers'
import { writeToD1 } from './d1-writer'
import type { EventStatus, NewEvent } from './event'
import {
  bodiesOf,
  cutIntoRows,
  encodeAccepted,
  type EventState,
  fold,
  type JournalRow,
  MAX_STEP_CHARS,
  MAX_STEP_EVENTS,
} from './journal'
import { log } from './log'
import { MINUTE_MS, type MinuteCounts, type ShardMetrics } from './metrics'
import { backoffMs, withTimeout } from './retry'

export type AcceptOutcome =
  | { outcome: 'accepted'; created_at: number }
  | { outcome: 'duplicate'; created_at: number; status: EventStatus }

/** An event's state, with its body as long as D1 does not have it. */
export interface HeldEvent extends EventState {
  body: { payload: string; metadata: string | null } | null
}

/** D1 is known to stall as well as to fail. */
const D1_TIMEOUT_MS = 10_000
const FLUSH_TIMEOUT_MS = 2_000
/** Under load a drain waits this long for more, so that it tells D1 of many commits at once. */
const LINGER_MS = 200
/** An alarm handler may run for 15 minutes; a busy one hands over to the next well before. */
const MAX_ALARM_MS = 60_000
const MINUTES_KEPT = 61

/** The shard's tables. Append only: a shard runs the entries it has not run yet. */
const MIGRATIONS = [
  `CREATE TABLE events (
     event_id TEXT PRIMARY KEY NOT NULL,
     status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
     retry_count INTEGER NOT NULL DEFAULT 0,
     created_at INTEGER NOT NULL, -- also the journal row that carried the body
     updated_at INTEGER NOT NULL,
     correlation_id TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE journal (
     seq INTEGER PRIMARY KEY NOT NULL,
     accepted INTEGER NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0,
     entries TEXT NOT NULL,
     bodies TEXT NOT NULL
   );
   CREATE TABLE counters (
     clock INTEGER NOT NULL,
     pending INTEGER NOT NULL DEFAULT 0,
     delivered INTEGER NOT NULL DEFAULT 0,
     failed INTEGER NOT NULL DEFAULT 0,
     queue_depth INTEGER NOT NULL DEFAULT 0,
     last_processed_at INTEGER
   );
   INSERT INTO counters (clock) VALUES (0);
   CREATE TABLE minutes (
     minute INTEGER PRIMARY KEY NOT NULL,
     accepted INTEGER NOT NULL DEFAULT 0,
     stored INTEGER NOT NULL DEFAULT 0,
     delivered INTEGER NOT NULL DEFAULT 0,
     failed INTEGER NOT NULL DEFAULT 0
   );`,
]

/** Accepts that arrived while a commit was being put together: they ride in it. */
interface Group {
  events: NewEvent[]
  committed: Promise<AcceptOutcome[]>
}

/** One shard's events: accepts each once, counts them exactly, and tells D1 about every change. */
export class EventShard extends DurableObject<Env> {
  #sql = this.ctx.storage.sql
  /** Rises with every commit and every write to D1, also when the wall clock does not. Milliseconds since 1970. */
  #clock = 0
  #group: Group | undefined
  #draining: Promise<boolean> | undefined
  /** While D1 fails, nobody asks it before this moment. */
  #retryAt = 0

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    void ctx.blockConcurrencyWhile(async () => {
      this.#migrate()
      this.#clock = this.#sql.exec<{ clock: number }>('SELECT clock FROM counters').one().clock
    })
  }

  /** @returns one outcome an event, in order; durable when this resolves. */
  async accept(events: NewEvent[]): Promise<AcceptOutcome[]> {
    const group = (this.#group ??= this.#openGroup())
    const first = group.events.length
    group.events.push(...events)
    const outcomes = await group.committed
    return outcomes.slice(first, first + events.length)
  }

  /** The event's present state, or null when there is none. */
  async get(eventId: string): Promise<HeldEvent | null> {
    const state = this.#statesOf([eventId]).get(eventId)
    if (!state) return null
    const [row] = this.#journalRows('WHERE seq = ?', state.created_at)
    const body = row && bodiesOf(row).get(eventId)
    return { ...state, retry_count: state.retry_count + (row?.attempts ?? 0), body: body ?? null }
  }

  /** Counters that change in the same transaction as the events they count: exact at every instant. */
  async metrics(): Promise<ShardMetrics> {
    const counters = this.#sql
      .exec<Omit<ShardMetrics, 'minutes'> & Record<string, number | null>>(
        `SELECT pending, delivered, failed, queue_depth, last_processed_at, (SELECT min(seq) FROM journal) AS oldest_unstored_at FROM counters`,
      )
      .one()
    const since = Math.floor(Date.now() / MINUTE_MS) - MINUTES_KEPT
    const minutes = this.#sql
      .exec<MinuteCounts & Record<string, number>>(
        'SELECT * FROM minutes WHERE minute > ? ORDER BY minute',
        since,
      )
      .toArray()
    return { ...counters, minutes }
  }

  /** Writes out what the journal holds now, for at most FLUSH_TIMEOUT_MS. @returns how many of its events D1 still has not got */
  async flush(): Promise<{ unstored: number }> {
    const { end } = this.#sql
      .exec<{ end: number | null }>('SELECT max(seq) AS end FROM journal')
      .one()
    const left = () =>
      this.#sql
        .exec<{ commits: number; events: number }>(
          'SELECT count(*) AS commits, coalesce(sum(accepted), 0) AS events FROM journal WHERE seq <= ?',
          end,
        )
        .one()
    const deadline = Date.now() + FLUSH_TIMEOUT_MS
    while (left().commits > 0 && Date.now() >= this.#retryAt && Date.now() < deadline) {
      await withTimeout(this.#drain(), deadline - Date.now()).catch(() => false)
    }
    return { unstored: left().events }
  }

  /** Drains the journal. Records every failure and never throws: the runtime gives up on a handler that threw six times. */
  override async alarm(): Promise<void> {
    const delay = await this.#drainAll().catch((error: unknown) => {
      log('error', 'the drain failed unexpectedly', {
        shard: this.ctx.id.name,
        error: String(error),
      })
      return backoffMs(1)
    })
    if (delay !== null) await this.ctx.storage.setAlarm(Date.now() + delay)
  }

  #migrate(): void {
    this.#sql.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY NOT NULL)')
    const { done } = this.#sql
      .exec<{ done: number }>('SELECT count(*) AS done FROM migrations')
      .one()
    for (const [version, statements] of MIGRATIONS.entries()) {
      if (version < done) continue
      this.ctx.storage.transactionSync(() => {
        this.#sql.exec(statements)
        this.#sql.exec('INSERT INTO migrations (version) VALUES (?)', version)
      })
    }
  }

  /** Strictly rising, so that it orders commits and writes even when the wall clock stands still or jumps back. */
  #tick(): number {
    return (this.#clock = Math.max(Date.now(), this.#clock + 1))
  }

  #openGroup(): Group {
    const events: NewEvent[] = []
    // The accepts that already wait in the event loop are delivered before a timer fires.
    const committed = scheduler.wait(0).then(() => {
      this.#group = undefined
      return this.#commit(events)
    })
    return { events, committed }
  }

  /** One transaction: rows, journal and counters of all `events`. */
  async #commit(events: NewEvent[]): Promise<AcceptOutcome[]> {
    const wasEmpty = this.#journalIsEmpty()
    const outcomes = this.ctx.storage.transactionSync(() => {
      const known = this.#statesOf(events.map((event) => event.event_id))
      const fresh = new Map<string, NewEvent>()
      for (const event of events)
        if (!known.has(event.event_id) && !fresh.has(event.event_id))
          fresh.set(event.event_id, event)
      const createdAt = new Map<NewEvent, number>()
      for (const row of cutIntoRows([...fresh.values()])) {
        const seq = this.#tick()
        const { entries, bodies } = encodeAccepted(row)
        this.#sql.exec(
          `INSERT INTO events (event_id, correlation_id, created_at, updated_at)
           SELECT value ->> 0, value ->> 1, ?2, ?2 FROM json_each(?1)`,
          JSON.stringify(row.map((event) => [event.event_id, event.correlation_id])),
          seq,
        )
        this.#sql.exec(
          'INSERT INTO journal (seq, accepted, entries, bodies) VALUES (?, ?, ?, ?)',
          seq,
          row.length,
          JSON.stringify(entries),
          bodies,
        )
        for (const event of row) createdAt.set(event, seq)
      }
      if (fresh.size > 0) {
        this.#count({ pending: fresh.size, queue_depth: fresh.size })
        this.#countMinute('accepted', fresh.size)
      }
      return events.map((event): AcceptOutcome => {
        const created_at = createdAt.get(event)
        if (created_at !== undefined) return { outcome: 'accepted', created_at }
        const first = known.get(event.event_id)
        if (first)
          return { outcome: 'duplicate', created_at: first.created_at, status: first.status }
        const twin = fresh.get(event.event_id)
        return {
          outcome: 'duplicate',
          created_at: (twin && createdAt.get(twin)) ?? this.#clock,
          status: 'pending',
        }
      })
    })
    // Armed only when there is work and none was there before: each setAlarm is a billed row.
    if (wasEmpty && !this.#journalIsEmpty()) await this.ctx.storage.setAlarm(Date.now())
    return outcomes
  }

  /** @returns milliseconds until the next alarm, or null when the journal is empty. */
  async #drainAll(): Promise<number | null> {
    const deadline = Date.now() + MAX_ALARM_MS
    while (!this.#journalIsEmpty()) {
      if (Date.now() < this.#retryAt) return this.#retryAt - Date.now()
      if (Date.now() >= deadline) return 1
      const before = Date.now()
      if (!(await this.#drain())) continue
      if (!this.#journalIsEmpty())
        await scheduler.wait(Math.max(0, LINGER_MS - (Date.now() - before)))
    }
    return null
  }

  /** One step at a time: whoever asks while one is under way waits for that one. @returns false when D1 did not take it */
  #drain(): Promise<boolean> {
    this.#draining ??= this.#drainStep().finally(() => (this.#draining = undefined))
    return this.#draining
  }

  async #drainStep(): Promise<boolean> {
    const rows = this.#nextStep()
    const last = rows.at(-1)
    if (!last) return true
    const tick = this.#tick()
    // Kept before it is used: after a crash the next write must not come behind this one.
    this.#count({})
    const ids = rows.flatMap((row) => row.entries.map((entry) => entry.event_id))
    const effect = fold(rows, this.#statesOf(ids), tick)
    try {
      await withTimeout(
        writeToD1(this.env.DB, { shard: this.ctx.id.toString(), tick }, effect),
        D1_TIMEOUT_MS,
      )
    } catch (error) {
      this.#sql.exec('UPDATE journal SET attempts = attempts + 1 WHERE seq <= ?', last.seq)
      const attempts = (rows[0]?.attempts ?? 0) + 1
      const delay = backoffMs(attempts)
      this.#retryAt = Date.now() + delay
      log('warn', 'D1 did not take a write; it will be tried again', {
        shard: this.ctx.id.name,
        events: effect.inserts.length,
        attempts,
        retry_in_ms: delay,
        error: String(error),
      })
      return false
    }
    this.ctx.storage.transactionSync(() => {
      // By the range that was sent: later rows may have come in meanwhile.
      this.#sql.exec('DELETE FROM journal WHERE seq <= ?', last.seq)
      const accepted = rows.reduce((sum, row) => sum + row.accepted, 0)
      for (const row of rows.filter((each) => each.attempts > 0)) {
        this.#sql.exec(
          'UPDATE events SET retry_count = retry_count + ? WHERE event_id IN (SELECT value FROM json_each(?))',
          row.attempts,
          JSON.stringify([...bodiesOf(row).keys()]),
        )
      }
      this.#count({ queue_depth: -accepted })
      this.#sql.exec('UPDATE counters SET last_processed_at = ?', tick)
      this.#countMinute('stored', effect.inserts.length)
    })
    return true
  }

  /** The oldest journal rows, as many as one write to D1 may carry. */
  #nextStep(): JournalRow[] {
    const rows: JournalRow[] = []
    let entries = 0
    let chars = 0
    for (const row of this.#journalRows('ORDER BY seq')) {
      entries += row.entries.length
      chars += row.bodies.length
      if (rows.length > 0 && (entries > MAX_STEP_EVENTS || chars > MAX_STEP_CHARS)) break
      rows.push(row)
    }
    return rows
  }

  *#journalRows(clause: string, ...bindings: number[]): Generator<JournalRow> {
    type Row = Omit<JournalRow, 'entries'> & { entries: string }
    for (const row of this.#sql.exec<Row>(`SELECT * FROM journal ${clause}`, ...bindings)) {
      yield { ...row, entries: JSON.parse(row.entries) }
    }
  }

  #journalIsEmpty(): boolean {
    return this.#sql.exec('SELECT 1 FROM journal LIMIT 1').next().done ?? true
  }

  #statesOf(ids: string[]): Map<string, EventState> {
    const rows = this.#sql.exec<EventState & Record<string, string | number>>(
      'SELECT events.* FROM json_each(?) AS wanted JOIN events ON events.event_id = wanted.value',
      JSON.stringify(ids),
    )
    return new Map(rows.toArray().map((row) => [row.event_id, row]))
  }

  /** Moves the counters by `changes` and keeps the clock; belongs into the transaction of what it counts. */
  #count({ pending = 0, delivered = 0, failed = 0, queue_depth = 0 }): void {
    this.#sql.exec(
      `UPDATE counters SET clock = ?, pending = pending + ?, delivered = delivered + ?, failed = failed + ?, queue_depth = queue_depth + ?`,
      this.#clock,
      pending,
      delivered,
      failed,
      queue_depth,
    )
  }

  #countMinute(what: 'accepted' | 'stored' | 'delivered' | 'failed', count: number): void {
    const minute = Math.floor(Date.now() / MINUTE_MS)
    this.#sql.exec(
      `INSERT INTO minutes (minute, ${what}) VALUES (?1, ?2) ON CONFLICT (minute) DO UPDATE SET ${what} = ${what} + ?2`,
      minute,
      count,
    )
    this.#sql.exec('DELETE FROM minutes WHERE minute <= ?', minute - MINUTES_KEPT)
  }
}
