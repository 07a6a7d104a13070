import { cutReason, type RecordedLetter } from './dead-letter'
import type { EventStatus, NewEvent } from './event'
import {
  bodiesOf,
  bodyLength,
  encodeAccepted,
  type Deletion,
  type EventBody,
  type EventState,
  type JournalEntry,
  type JournalRow,
  MAX_STEP_CHARS,
  MAX_STEP_EVENTS,
  splitRow,
  type Step,
  type Unfinished,
  withAttempts,
} from './journal'
import {
  emptyHistogram,
  type Happening,
  type Histogram,
  MINUTE_MS,
  type MinuteCounts,
  MINUTES_KEPT,
  observe,
  type ShardMetrics,
} from './metrics'
import { MAX_DELAY_MS } from './retry'
import { MIGRATIONS } from './shard-tables'

type JournalHead = Pick<JournalRow, 'seq' | 'attempts'>

/** Writes of one run that are told apart before it takes another number. */
const WRITES_A_RUN = 2 ** 24

/** How far counters move, and what happened, for the sums that only rise. */
export interface CountChanges extends Partial<Record<EventStatus | 'queue_depth', number>> {
  happened?: Partial<Record<Happening, number>>
  /** Seconds from accepting to storing, of each event stored. */
  storeSeconds?: number[]
  /** The moment of a write to D1. */
  processedAt?: number
}

/** What D1 refused, and when it is tried again: null once it was given up. */
export interface Parked extends Unfinished {
  attempts: number
  retry_at: number | null
  reason: string
}

/** What D1 has yet to be told. */
export interface Untold {
  /** Events it has not got. */
  unstored: number
  /** Changes and deletions of those it has: it shows an older state of them, or still shows them. */
  stale: number
}

export interface DeadLetter {
  event_id: string
  reason: string
  failed_at: number
}

/** Moves one event from a status to another in `changes`. */
export function addMove(changes: CountChanges, from: EventStatus, to: EventStatus): void {
  if (from === to) return
  changes[from] = (changes[from] ?? 0) - 1
  changes[to] = (changes[to] ?? 0) + 1
  if (to === 'pending') return
  changes.happened ??= {}
  changes.happened[to] = (changes.happened[to] ?? 0) + 1
}

/** A shard's SQLite: its tables and every statement on them. Synchronous; what belongs together is put into one transaction by the caller. */
export class ShardStore {
  readonly #sql: SqlStorage
  /** Rises with every commit and every write to D1, also when the wall clock does not. Milliseconds since 1970. */
  #clock: number
  #lastWrite = 0

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql
    this.#sql.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY NOT NULL)')
    const done = this.#number('SELECT count(*) FROM migrations')
    if (done < MIGRATIONS.length) {
      storage.transactionSync(() => {
        for (const statements of MIGRATIONS.slice(done)) this.#sql.exec(statements)
        for (let version = done; version < MIGRATIONS.length; version++)
          this.#sql.exec('INSERT INTO migrations (version) VALUES (?)', version)
      })
    }
    this.#clock = this.#number('SELECT clock FROM counters')
  }

  /** Strictly rising, so that it orders commits even when the wall clock stands still or jumps back. `count` keeps it. */
  tick(): number {
    return (this.#clock = Math.max(Date.now(), this.#clock + 1))
  }

  /** The last tick. */
  get clock(): number {
    return this.#clock
  }

  /** From now on ticks are later than this one of another shard. */
  passClock(tick: number): void {
    this.#clock = Math.max(this.#clock, tick)
  }

  /** Strictly rising over restarts too, so that it orders writes to D1: a crash may leave one on its way. Costs one row a start, not one a write. */
  nextWrite(): number {
    if (this.#lastWrite % WRITES_A_RUN === 0) {
      // By the clock, should this object ever have to begin anew beside a D1 that remembers it.
      const sql = 'UPDATE counters SET run = max(run + 1, ?) RETURNING run'
      this.#lastWrite = this.#number(sql, Math.floor(Date.now() / MINUTE_MS)) * WRITES_A_RUN
    }
    return ++this.#lastWrite
  }

  // Shards

  /** Every SHARD_COUNT this shard was told of, largest first. */
  shardCounts(): number[] {
    const rows = this.#rows<{ count: number }>('SELECT count FROM shard_counts ORDER BY count DESC')
    return rows.map(({ count }) => count)
  }

  /** Notes a SHARD_COUNT that is larger than any before. */
  addShardCount(count: number): void {
    const sql =
      'INSERT INTO shard_counts SELECT ?1 WHERE ?1 > (SELECT coalesce(max(count), 0) FROM shard_counts)'
    this.#sql.exec(sql, count)
  }

  // Events

  states(ids: string[]): Map<string, EventState> {
    const rows = this.#rows<EventState>(
      'SELECT events.* FROM json_each(?) AS wanted JOIN events ON events.event_id = wanted.value',
      JSON.stringify(ids),
    )
    return new Map(rows.map((row) => [row.event_id, row]))
  }

  /** The states as everybody is shown them, in their order: with the attempts that the journal counts so far. */
  shown(states: EventState[]): EventState[] {
    const rows = this.#waitingIn(states, 'attempts > 0')
    return states.map((state) => withAttempts(state, rows.get(state.event_id)?.attempts ?? 0))
  }

  /** Inserts new events and the journal row that carries their bodies. @param replaces as in encodeAccepted @returns their `created_at` */
  insert(events: NewEvent[], replaces?: Set<string>): number {
    const seq = this.tick()
    this.#sql.exec(
      `INSERT INTO events (event_id, correlation_id, fingerprint, created_at, updated_at)
       SELECT value ->> 0, value ->> 1, value ->> 2, ?2, ?2 FROM json_each(?1)`,
      JSON.stringify(
        events.map((event) => [event.event_id, event.correlation_id, event.fingerprint]),
      ),
      seq,
    )
    const { entries, bodies } = encodeAccepted(events, replaces)
    this.#journal(seq, events.length, entries, bodies)
    return seq
  }

  update(states: EventState[]): void {
    this.#sql.exec(
      `UPDATE events SET status = new.value ->> 1, retry_count = new.value ->> 2, nacks = new.value ->> 3, updated_at = new.value ->> 4,
         nack_key = new.value ->> 5, nack_body = new.value ->> 6
       FROM json_each(?) AS new WHERE events.event_id = new.value ->> 0`,
      JSON.stringify(
        states.map((state) => [
          state.event_id,
          state.status,
          state.retry_count,
          state.nacks,
          state.updated_at,
          state.nack_key,
          state.nack_body,
        ]),
      ),
    )
  }

  /** Removes events and all that is kept of them beside the journal. */
  delete(ids: string[]): void {
    for (const table of ['events', 'parked', 'dead_letters']) {
      this.#sql.exec(
        `DELETE FROM ${table} WHERE event_id IN (SELECT value FROM json_each(?))`,
        JSON.stringify(ids),
      )
    }
  }

  // The journal

  /** Journals that D1 must be told of these events; their present state is read when it is told. */
  note(op: 'change' | 'redrive' | 'delete', states: EventState[]): void {
    const entries = states.map(({ event_id, created_at }): JournalEntry => {
      // Of one that is deleted nothing else is left to say when it was accepted.
      return op === 'delete' ? { op, event_id, created_at } : { op, event_id }
    })
    this.#journal(this.tick(), 0, entries, '')
  }

  hasJournal(): boolean {
    return this.#sql.exec('SELECT 1 FROM journal LIMIT 1').toArray().length > 0
  }

  journalEnd(): number {
    return this.#number('SELECT coalesce(max(seq), 0) FROM journal')
  }

  /** How many commits are left of the journal up to `end`. */
  commitsLeft(end: number): number {
    return this.#number('SELECT count(*) FROM journal WHERE seq <= ?', end)
  }

  /** What D1 has not been told of the journal up to `end`, and of what it refused. */
  untold(end: number): Untold {
    const { events, changes } = this.waiting(end)
    const unstored = this.#number('SELECT count(*) FROM parked WHERE payload IS NOT NULL')
    const stale = this.#number('SELECT count(*) FROM parked WHERE payload IS NULL OR deletes > 0')
    return { unstored: unstored + events, stale: stale + changes }
  }

  /** The oldest journal rows, as many as one write to D1 may carry; with a lower `most` perhaps only a part of the oldest one. */
  nextStep(most: number): Step {
    const rows: JournalRow[] = []
    let entries = 0
    let chars = 0
    for (const row of this.#journalRows('ORDER BY seq')) {
      entries += row.entries.length
      chars += row.bodies.length
      if (rows.length > 0 && (entries > most || chars > MAX_STEP_CHARS)) break
      if (row.entries.length > most && most < MAX_STEP_EVENTS) return splitRow(row, most)
      rows.push(row)
    }
    return { rows, rest: null }
  }

  /** Counts one more failed attempt to tell D1 of the rows up to `end`. */
  attemptFailed(end: number): void {
    this.#sql.exec('UPDATE journal SET attempts = attempts + 1 WHERE seq <= ?', end)
  }

  /**
   * Removes what D1 was told: by the range that was sent, as later rows may have come in meanwhile.
   * @returns how many events waited in it: fewer than were sent when some were deleted since
   */
  finishStep({ rows, rest }: Step): number {
    if (!rest) {
      const sql = 'DELETE FROM journal WHERE seq <= ? RETURNING accepted'
      const gone = this.#rows<{ accepted: number }>(sql, rows.at(-1)?.seq ?? 0)
      return gone.reduce((sum, { accepted }) => sum + accepted, 0)
    }
    const told = rows.flatMap(({ entries }) =>
      entries.flatMap(({ op, event_id }) => (op === 'accept' ? [event_id] : [])),
    )
    const states = [...this.states(told).values()]
    const waited = states.filter(({ created_at }) => created_at === rest.seq).length
    this.#sql.exec(
      `UPDATE journal SET accepted = accepted - ?1, entries = ?2, bodies = ?3,
         changes = iif(changes > 0, json_array_length(?2), 0) WHERE seq = ?4`,
      waited,
      JSON.stringify(rest.entries),
      rest.bodies,
      rest.seq,
    )
    return waited
  }

  /** The next deletions and redrives behind a place in the journal. What is accepted in a deleted one's place is deleted by its former owner too. */
  deletionsAfter({ seq, entry }: Pick<Deletion, 'seq' | 'entry'>, most: number): Deletion[] {
    const sql = `
      SELECT seq, entry.key AS entry, entry.value ->> 'op' AS op, entry.value ->> 'event_id' AS event_id
      FROM journal, json_each(entries) AS entry
      WHERE changes > 0 AND op IN ('delete', 'redrive') AND seq >= ?1 AND (seq > ?1 OR entry.key > ?2)
      ORDER BY seq, entry.key LIMIT ?3`
    return this.#rows<Deletion>(sql, seq, entry, most)
  }

  /** What waits in the journal up to `end`: events to be stored, and changes of others. */
  waiting(end: number): { events: number; changes: number } {
    const sql = `SELECT coalesce(sum(accepted), 0) AS events, coalesce(sum(changes), 0) AS changes
      FROM journal WHERE seq <= ?`
    return this.#rows<{ events: number; changes: number }>(sql, end)[0] ?? { events: 0, changes: 0 }
  }

  // Parked events

  park({ event_id, body, attempts, retry_at, reason, deletes, clears }: Parked): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO parked (event_id, payload, metadata, attempts, retry_at, reason, deletes, clears)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      event_id,
      body?.payload ?? null,
      body?.metadata ?? null,
      attempts,
      retry_at,
      reason,
      deletes,
      clears,
    )
  }

  /** @returns whether it was parked */
  unpark(eventId: string): boolean {
    return (
      this.#rows('DELETE FROM parked WHERE event_id = ? RETURNING event_id', eventId).length > 0
    )
  }

  parked(eventId: string): Parked | undefined {
    type Row = Omit<Parked, 'body'> & { payload: string | null; metadata: string | null }
    const [row] = this.#rows<Row>('SELECT * FROM parked WHERE event_id = ?', eventId)
    if (!row) return undefined
    const { payload, metadata, ...fields } = row
    const body = payload === null ? null : { payload, metadata }
    return { ...fields, body }
  }

  /** When the next parked event is to be tried. */
  nextParkedAt(): number | null {
    const sql = 'SELECT retry_at FROM parked WHERE retry_at IS NOT NULL ORDER BY retry_at LIMIT 1'
    return this.#rows<{ retry_at: number }>(sql)[0]?.retry_at ?? null
  }

  /** Parked events that are due, or seem further ahead than any is put off; as many as one write to D1 may carry. */
  dueParked(now: number, most: number): Parked[] {
    const sql = `SELECT event_id FROM parked WHERE retry_at <= ?1 OR retry_at > ?2 ORDER BY retry_at LIMIT ?3`
    const due: Parked[] = []
    let chars = 0
    const ids = this.#rows<{ event_id: string }>(sql, now, now + MAX_DELAY_MS, most)
    for (const { event_id } of ids) {
      const parked = this.parked(event_id)
      if (!parked) continue
      chars += parked.body ? bodyLength(parked.body) : 0
      if (due.length > 0 && chars > MAX_STEP_CHARS) break
      due.push(parked)
    }
    return due
  }

  /** Has those that were given up tried again. @returns how many there were */
  resumeParked(ids: string[], at: number): number {
    const sql = `UPDATE parked SET attempts = 0, retry_at = ? WHERE retry_at IS NULL AND event_id IN (SELECT value FROM json_each(?)) RETURNING 1`
    return this.#rows(sql, at, JSON.stringify(ids)).length
  }

  /**
   * Takes events that are about to be deleted out of what waits to be stored; their bodies may stay in the journal.
   * @returns how many of them waited
   */
  stopWaiting(states: EventState[]): number {
    const rows = [...this.#waitingIn(states).values()]
    for (const [seq, { length }] of Map.groupBy(rows, (row) => row.seq))
      this.#sql.exec('UPDATE journal SET accepted = accepted - ? WHERE seq = ?', length, seq)
    const sql = `SELECT count(*) FROM parked
      WHERE retry_at IS NOT NULL AND payload IS NOT NULL AND event_id IN (SELECT value FROM json_each(?))`
    return rows.length + this.#number(sql, JSON.stringify(states.map(({ event_id }) => event_id)))
  }

  /** The body of an event that D1 has not got. */
  heldBody({ event_id, created_at }: EventState): EventBody | null {
    const row = this.#journalRows('WHERE seq = ?', created_at).next().value
    return (row && bodiesOf(row).get(event_id)) ?? this.parked(event_id)?.body ?? null
  }

  // Dead letters

  addDeadLetters(letters: DeadLetter[]): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO dead_letters (event_id, reason, failed_at)
       SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)`,
      JSON.stringify(
        letters.map(({ event_id, reason, failed_at }) => [event_id, cutReason(reason), failed_at]),
      ),
    )
  }

  deleteDeadLetters(ids: string[]): void {
    this.#sql.exec(
      'DELETE FROM dead_letters WHERE event_id IN (SELECT value FROM json_each(?))',
      JSON.stringify(ids),
    )
  }

  /** Ids of dead letters, all or those with this reason, at most `limit`. */
  deadLetterIds(reason: string | null, limit: number): string[] {
    const sql = 'SELECT event_id FROM dead_letters WHERE ?1 IS NULL OR reason = ?1 LIMIT ?2'
    return this.#rows<{ event_id: string }>(sql, reason, limit).map((row) => row.event_id)
  }

  unsentDeadLetters(limit: number): DeadLetter[] {
    return this.#rows<DeadLetter>(
      'SELECT event_id, reason, failed_at FROM dead_letters WHERE sent_at IS NULL LIMIT ?',
      limit,
    )
  }

  hasUnsentDeadLetters(): boolean {
    return this.unsentDeadLetters(1).length > 0
  }

  markSent(letters: DeadLetter[], at: number): void {
    for (const { event_id, failed_at } of letters) {
      this.#sql.exec(
        'UPDATE dead_letters SET sent_at = ? WHERE event_id = ? AND failed_at = ?',
        at,
        event_id,
        failed_at,
      )
    }
  }

  /** Notes that D1 has the dead letter. @returns false when it is none any more */
  markRecorded(eventId: string, failedAt: number): boolean {
    const sql =
      'UPDATE dead_letters SET recorded = 1 WHERE event_id = ? AND failed_at = ? RETURNING event_id'
    return this.#rows(sql, eventId, failedAt).length > 0
  }

  /** Has letters sent again that D1 has lost, if they still stand. @returns how many do */
  resend(letters: RecordedLetter[]): number {
    const sql = `UPDATE dead_letters SET recorded = 0, sent_at = NULL
      WHERE recorded = 1 AND (event_id, failed_at) IN
        (SELECT value ->> 'event_id', value ->> 'failed_at' FROM json_each(?)) RETURNING 1`
    return this.#rows(sql, JSON.stringify(letters)).length
  }

  /** Has those sent again that the queue took before `sentBefore` and D1 never got. */
  resendUnrecorded(sentBefore: number): void {
    this.#sql.exec(
      'UPDATE dead_letters SET sent_at = NULL WHERE recorded = 0 AND sent_at < ?',
      sentBefore,
    )
  }

  // Counters

  /** Moves the counters and keeps the clock; belongs into the transaction of what it counts. One row, and one more as a minute begins. */
  count(changes: CountChanges): void {
    const {
      pending = 0,
      delivered = 0,
      failed = 0,
      queue_depth = 0,
      happened = {},
      storeSeconds,
      processedAt,
    } = changes
    const sums = [
      happened.accepted ?? 0,
      happened.stored ?? 0,
      happened.delivered ?? 0,
      happened.failed ?? 0,
    ]
    const latency = storeSeconds && observe(this.#latency(), storeSeconds)
    this.#beginMinute()
    this.#sql.exec(
      `UPDATE counters SET clock = ?, pending = pending + ?, delivered = delivered + ?, failed = failed + ?, queue_depth = queue_depth + ?,
         accepted_total = accepted_total + ?, stored_total = stored_total + ?, delivered_total = delivered_total + ?, failed_total = failed_total + ?,
         last_processed_at = coalesce(?, last_processed_at), latency = coalesce(?, latency)`,
      ...[this.#clock, pending, delivered, failed, queue_depth].concat(sums),
      processedAt ?? null,
      latency ? JSON.stringify(latency) : null,
    )
  }

  /** When the wall clock goes back a little, the newest minute goes on; minutes further ahead were a mistake. */
  #beginMinute(): void {
    const minute = Math.floor(Date.now() / MINUTE_MS)
    const newest = this.#number('SELECT coalesce(max(minute), 0) FROM minute_starts')
    if (newest === minute || newest === minute + 1) return
    this.#sql.exec(
      'DELETE FROM minute_starts WHERE minute > ? OR minute <= ?',
      minute,
      minute - MINUTES_KEPT,
    )
    this.#sql.exec(
      'INSERT OR IGNORE INTO minute_starts SELECT ?, accepted_total, stored_total, delivered_total, failed_total FROM counters',
      minute,
    )
  }

  metrics(): ShardMetrics {
    const [counters] = this.#rows<Omit<ShardMetrics, 'minutes' | 'latency'>>(
      `SELECT pending, delivered, failed, queue_depth, accepted_total, stored_total, delivered_total, failed_total, started_at, last_processed_at, (
         SELECT min(since) FROM (
           SELECT min(seq) AS since FROM journal UNION ALL
           -- Of one that D1 has, since it was changed or deleted.
           SELECT min(coalesce(CASE WHEN payload IS NULL THEN updated_at ELSE created_at END, deletes))
           FROM parked LEFT JOIN events USING (event_id) WHERE retry_at IS NOT NULL)
       ) AS oldest_unstored_at FROM counters`,
    )
    if (!counters) throw new Error('the counters are missing')
    const since = Math.floor(Date.now() / MINUTE_MS) - MINUTES_KEPT
    const minutes = this.#rows<MinuteCounts>(
      `SELECT minute,
         lead(start.accepted_total, 1, now.accepted_total) OVER later - start.accepted_total AS accepted,
         lead(start.stored_total, 1, now.stored_total) OVER later - start.stored_total AS stored,
         lead(start.delivered_total, 1, now.delivered_total) OVER later - start.delivered_total AS delivered,
         lead(start.failed_total, 1, now.failed_total) OVER later - start.failed_total AS failed
       FROM minute_starts AS start, counters AS now WHERE minute > ? WINDOW later AS (ORDER BY minute)`,
      since,
    )
    return { ...counters, minutes, latency: this.#latency() }
  }

  #latency(): Histogram {
    const [row] = this.#rows<{ latency: string | null }>('SELECT latency FROM counters')
    return row?.latency ? JSON.parse(row.latency) : emptyHistogram()
  }

  /** The journal rows that events wait in to be stored, by event; of rows that a condition holds for. */
  #waitingIn(states: EventState[], condition = 'true'): Map<string, JournalHead> {
    const createdAt = new Map(states.map((state) => [state.event_id, state.created_at]))
    const sql = `SELECT seq, attempts, entries FROM journal
      WHERE seq IN (SELECT value FROM json_each(?)) AND ${condition}`
    const seqs = JSON.stringify([...new Set(createdAt.values())])
    const found = new Map<string, JournalHead>()
    type Row = JournalHead & { entries: string }
    for (const { seq, attempts, entries } of this.#rows<Row>(sql, seqs)) {
      // By its entries: part of a row may have been told to D1, and the id may be another event's by now.
      const own: JournalEntry[] = JSON.parse(entries)
      for (const { op, event_id } of own)
        if (op === 'accept' && createdAt.get(event_id) === seq)
          found.set(event_id, { seq, attempts })
    }
    return found
  }

  #journal(seq: number, accepted: number, entries: JournalEntry[], bodies: string): void {
    const changes = bodies === '' ? entries.length : 0
    const values = [seq, accepted, changes, JSON.stringify(entries), bodies]
    this.#sql.exec(
      'INSERT INTO journal (seq, accepted, changes, entries, bodies) VALUES (?, ?, ?, ?, ?)',
      ...values,
    )
  }

  *#journalRows(clause: string, ...bindings: number[]): Generator<JournalRow> {
    type Row = Omit<JournalRow, 'entries'> & { entries: string }
    for (const row of this.#sql.exec<Row>(
      `SELECT seq, accepted, attempts, entries, bodies FROM journal ${clause}`,
      ...bindings,
    )) {
      yield { ...row, entries: JSON.parse(row.entries) }
    }
  }

  #rows<Row extends object>(sql: string, ...bindings: (string | number | null)[]): Row[] {
    return this.#sql.exec<Row & Record<string, SqlStorageValue>>(sql, ...bindings).toArray()
  }

  #number(sql: string, ...bindings: (string | number)[]): number {
    return Number(
      this.#sql
        .exec(sql, ...bindings)
        .raw()
        .next().value?.[0],
    )
  }
}
