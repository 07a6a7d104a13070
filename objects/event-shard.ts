import { DurableObject } from 'cloudflare:workers'
import type { RecordedLetter } from '../shared/dead-letter'
import { bodyLength, type NewEvent } from '../shared/event'
import { maxRetries } from '../shared/lifecycle'
import { LIMITS } from '../shared/limits'
import { log, LOGGED_IDS } from '../shared/log'
import type { ShardMetrics } from '../shared/metrics'
import type {
  AcceptOutcome,
  CountStep,
  Flushed,
  HandOver,
  HeldEvent,
  HeldLetter,
  Identity,
  MoveOutcome,
  NackKey,
  Recount,
  Redriven,
  WithShardCounts,
} from '../shared/outcomes'
import type { ShardCounts } from '../shared/owners'
import { backoffMs, MAX_DELAY_MS } from '../shared/retry'
import type { Instant } from '../shared/verification'
import { acceptEvents, repeatOf } from './accept-events'
import { AlarmLoop } from './alarm/loop'
import { askFormerCounts, askFormerOwners, type FormerOutcomes } from './former-owners'
import { type Group, GroupCommit } from './group-commit'
import { type Move, moveEvents, removeEvents } from './move-events'
import { Pace } from './pace'
import {
  countPeriods,
  heldLetters,
  lettersD1MayHave,
  recountRows,
  untoldPeriods,
} from './store/recount'
import { ShardStore } from './store/shard-store'

const FLUSH_TIMEOUT_MS = 2_000
/** Their ids go into one bound string, which may have 2 MB. */
const MAX_GROUP_EVENTS = 4_000
const RESEND_AFTER_MS = 24 * 60 * 60 * 1_000
const REDRIVE_A_STEP = 1_000
/** An alarm so late will not come any more. */
const OVERDUE_MS = 60_000

/** Events of several calls that are accepted together. */
interface Batch {
  group: Group
  events: NewEvent[]
  counts: ShardCounts | undefined
  former?: Promise<FormerOutcomes>
  known?: FormerOutcomes
  /** Null when the shard takes none for this SHARD_COUNT any more. */
  outcomes?: AcceptOutcome[] | null
}

/** One shard's events: accepts each once, counts them exactly, and tells D1 about every change. */
export class EventShard extends DurableObject<Env> {
  #store = new ShardStore(this.ctx.storage)
  #pace = new Pace()
  #loop = new AlarmLoop(
    { env: this.env, name: this.ctx.id.name, store: this.#store },
    this.ctx.id,
    this.#pace,
  )
  #commits = new GroupCommit((change, calls) => this.#commit(change, calls), this.#pace)
  #batch: Batch | undefined
  /** UTF-16 units of the events that wait for a commit. */
  #charsUnderWay = 0
  /** When the alarm for the journal is due, 0 while it runs; null for none, as far as this object knows since it started. */
  #armedFor: number | null = null
  /** The largest SHARD_COUNT this shard was told of. */
  #shardCount = this.#store.shardCounts.all()[0] ?? 0

  /** @returns one outcome an event, in order; durable when this resolves. @param counts absent from workers of the version before */
  async accept(events: NewEvent[], counts?: ShardCounts): Promise<AcceptOutcome[]> {
    const chars = events.reduce((sum, event) => sum + bodyLength(event), 0)
    const isBusy = this.#charsUnderWay + chars > LIMITS.SHARD_CHARS_UNDER_WAY
    // One that is too large even so is better taken alone than never.
    if (isBusy && this.#charsUnderWay > 0)
      return events.map(() => ({ outcome: 'unanswered', busy: true }))
    const batch = this.#batchFor(counts)
    const first = batch.events.length
    batch.events.push(...events)
    this.#charsUnderWay += chars
    const hasFormerOwners = counts !== undefined && counts.length > 1
    try {
      const outcomes = await this.#commits.ride(
        () => this.#acceptBatch(batch),
        hasFormerOwners ? () => this.#askFormerOwners(batch, counts) : undefined,
      )
      if (!outcomes) throw new Error('SHARD_COUNT was raised')
      if (first === 0) this.#logAccepted(batch.events, outcomes)
      return outcomes.slice(first, first + events.length)
    } finally {
      this.#charsUnderWay -= chars
    }
  }

  /** Keeps the largest SHARD_COUNT; for the first shard, which is told of all. @returns every one, largest first */
  async raiseShardCount(count: number): Promise<number[]> {
    return this.#raiseTo(count)
  }

  /** Every SHARD_COUNT this shard was told of, largest first. */
  async shardCounts(): Promise<number[]> {
    return this.#store.shardCounts.all()
  }

  /**
   * Hands ids over to their owner under a larger `count`: says what this shard, their owner before, has accepted under
   * them, and accepts nothing for a smaller count from now on.
   */
  async handOver(events: Identity[], count: number): Promise<HandOver> {
    this.#raise(count)
    const states = this.#store.events.states(events.map(({ event_id }) => event_id))
    const outcomes = events.map((event) => {
      const first = states.get(event.event_id)
      return first ? repeatOf(event, first) : null
    })
    return { outcomes, clock: this.#store.clock.now() }
  }

  /** The event's present state, or null when there is none. */
  async get(eventId: string): Promise<HeldEvent | null> {
    const [state] = this.#store.shown([...this.#store.events.states([eventId]).values()])
    return state ? { ...state, body: this.#store.heldBody(state) } : null
  }

  /** Marks pending events as delivered. */
  async ack(ids: string[]): Promise<MoveOutcome[]> {
    return this.#move({ verb: 'ack', ids })
  }

  /** Counts that a consumer could not process a pending event; the last nack fails it, for the reason given. With the key of the last one it counts nothing. */
  async nack(id: string, reason: string, key?: NackKey): Promise<MoveOutcome[]> {
    return this.#move({ verb: 'nack', ids: [id], reason, key })
  }

  /** Makes failed events pending again. */
  async retry(ids: string[]): Promise<MoveOutcome[]> {
    return this.#move({ verb: 'retry', ids })
  }

  /** Retries dead letters, all or those with this reason. @returns how many; call again while there are `more` */
  async redrive(reason: string | null): Promise<Redriven> {
    return this.#commits.ride(() => {
      const ids = this.#store.letters.ids(reason, REDRIVE_A_STEP)
      const outcomes = moveEvents(this.#store, { verb: 'retry', ids }, maxRetries(this.env))
      const event_ids = ids.filter((_, index) => outcomes[index]?.outcome === 'moved')
      return {
        redriven: event_ids.length,
        event_ids: event_ids.slice(0, LOGGED_IDS),
        more: ids.length === REDRIVE_A_STEP,
      }
    })
  }

  /** Removes events everywhere; with `deliveredBefore` only those delivered before that moment. @returns the ids of those removed */
  async remove(ids: string[], deliveredBefore?: number): Promise<string[]> {
    return this.#commits.ride(() => removeEvents(this.#store, ids, deliveredBefore))
  }

  /** Remembers which dead letters D1 has. @returns for each, in order, whether it still is one */
  async recorded(letters: RecordedLetter[]): Promise<boolean[]> {
    return letters.map(({ event_id, failed_at }) =>
      this.#store.letters.markRecorded(event_id, failed_at),
    )
  }

  /** Counters that change in the same transaction as the events they count. @param count for raiseShardCount */
  async metrics(count?: number): Promise<WithShardCounts<ShardMetrics>> {
    const raised = await this.#raised(count)
    return { ...this.#store.metrics(), ...raised }
  }

  /** The counters beside what the rows come to. Reads every row. */
  async recount(): Promise<Recount> {
    return recountRows(this.ctx.storage.sql, this.ctx.id.name ?? this.ctx.id.toString())
  }

  /** Counts the next events by period of their `created_at`. @param hours from when on a period is an hour */
  async countPeriods(hours: number, after: string): Promise<CountStep> {
    return countPeriods(this.ctx.storage.sql, hours, after)
  }

  /** What D1 has not been told of at this instant, by period. */
  async untold(hours: number): Promise<Instant> {
    const { accepted_total: accepted } = this.#store.metrics()
    const untold = untoldPeriods(this.ctx.storage.sql, hours)
    return { clock: this.#store.clock.nextTimestamp(), accepted, ...untold }
  }

  /** The next dead letters, in the order of their events' ids. */
  async letters(after: string): Promise<HeldLetter[]> {
    return heldLetters(this.ctx.storage.sql, after)
  }

  /** Which of these letters are in D1 rightly, or because it has not been told otherwise yet. */
  async lettersD1MayHave(letters: RecordedLetter[]): Promise<RecordedLetter[]> {
    return lettersD1MayHave(this.ctx.storage.sql, letters)
  }

  /** Has dead letters sent again that D1 has lost. @returns how many of them still stand */
  async resend(letters: RecordedLetter[]): Promise<number> {
    const resent = this.#store.letters.resend(letters)
    if (resent > 0) await this.#ensureAlarm()
    return resent
  }

  /**
   * Writes out what the journal holds now, for at most FLUSH_TIMEOUT_MS.
   * @param count for raiseShardCount
   * @returns what D1 was not told of it, and how many events there are
   */
  async flush(count?: number): Promise<WithShardCounts<Flushed>> {
    const raised = await this.#raised(count)
    const untold = await this.#loop.flush(FLUSH_TIMEOUT_MS)
    return { ...untold, counts: this.#store.statusCounts(), ...raised }
  }

  /** Arms an alarm if there is work and none is due: cron calls this, in case one ever goes missing. */
  async ensureAlarm(): Promise<void> {
    this.#store.letters.resendUnrecorded(Date.now() - RESEND_AFTER_MS)
    await this.#ensureAlarm()
  }

  /** Does what is due. Records every failure and never throws: the runtime gives up on a handler that threw six times. */
  override async alarm(): Promise<void> {
    this.#armedFor = 0
    let wait: number | null
    try {
      await this.#loop.work()
      wait = this.#loop.untilNextWork()
    } catch (error) {
      const about = { shard: this.ctx.id.name, error: String(error) }
      log('error', 'the alarm loop failed unexpectedly', about)
      wait = backoffMs(1)
    }
    // Never for this very moment: that would cut the chain.
    const next = wait === null ? null : Date.now() + Math.max(1, wait)
    // An alarm that is for something else, later, must not keep the journal waiting.
    this.#armedFor = this.#store.journal.isEmpty() ? null : next
    // Last of all.
    if (next !== null) await this.ctx.storage.setAlarm(next)
  }

  async #ensureAlarm(): Promise<void> {
    const wait = this.#loop.untilNextWork()
    if (wait === null) return
    const due = Date.now() + Math.max(1, wait)
    const alarm = await this.ctx.storage.getAlarm()
    const isOverdue = alarm !== null && alarm < Date.now() - OVERDUE_MS
    if (alarm === null || alarm > due || isOverdue) await this.ctx.storage.setAlarm(due)
  }

  #move(move: Move): Promise<MoveOutcome[]> {
    return this.#commits.ride(() => moveEvents(this.#store, move, maxRetries(this.env)))
  }

  /** The batch that events may still be added to, of the group that is being put together. */
  #batchFor(counts: ShardCounts | undefined): Batch {
    const batch = this.#batch
    const isSame = batch?.group === this.#commits.open() && batch.counts?.[0] === counts?.[0]
    if (batch && isSame && batch.events.length < MAX_GROUP_EVENTS) return batch
    if (batch?.group === this.#commits.open()) this.#commits.close()
    return (this.#batch = { group: this.#commits.open(), events: [], counts })
  }

  async #askFormerOwners(batch: Batch, counts: ShardCounts): Promise<void> {
    batch.former ??= askFormerOwners(this.env, batch.events, counts).then(({ outcomes, clock }) => {
      this.#store.clock.advanceClockPast(clock)
      return outcomes
    })
    batch.known = await batch.former
  }

  /** Accepts a batch, once for all of its calls. */
  #acceptBatch(batch: Batch): AcceptOutcome[] | null {
    const { events, counts, known } = batch
    // Checked as late as this: the shard that owns these ids now may have asked for them meanwhile.
    const isPast = counts && counts[0] < this.#shardCount
    if (batch.outcomes === undefined)
      batch.outcomes = isPast ? null : acceptEvents(this.#store, events, known)
    return batch.outcomes
  }

  async #raiseTo(count: number): Promise<number[]> {
    // One that is new itself may be the first shard of an older inbox.
    const former = this.#shardCount === 0 ? await askFormerCounts(this.env, count) : []
    for (const each of [...former.toSorted((a, b) => a - b), count]) this.#raise(each)
    return this.#store.shardCounts.all()
  }

  async #raised(count: number | undefined): Promise<WithShardCounts<object>> {
    return count === undefined ? {} : { shard_counts: await this.#raiseTo(count) }
  }

  #raise(count: number): void {
    if (count <= this.#shardCount) return
    this.#store.shardCounts.add(count)
    this.#shardCount = count
  }

  /** One transaction. Arms the alarm together with the first row of the journal: while there are rows, one is due or running. */
  #commit<T>(change: () => T, calls: number): T {
    const result = this.#store.transaction(change)
    this.#pace.committed(calls)
    const isArmed = this.#armedFor !== null && !isTooFarAhead(this.#armedFor)
    if (!isArmed && !this.#store.journal.isEmpty()) {
      // Not for this very moment: one that was due just now may not be over yet.
      this.#armedFor = Date.now() + 1
      void this.ctx.storage.setAlarm(this.#armedFor)
    }
    return result
  }

  /** One line a batch: a line a request would cost more than all the rest of accepting it. */
  #logAccepted(batch: NewEvent[], outcomes: AcceptOutcome[]): void {
    const accepted = batch.filter((_, index) => outcomes[index]?.outcome === 'accepted')
    if (accepted.length === 0) return
    const events = accepted.map(({ event_id, correlation_id, caller }) => ({
      correlation_id,
      caller,
      event_id,
    }))
    const what = events.length === 1 ? events[0] : { events }
    log('info', 'accepted', { shard: this.ctx.id.name, ...what })
  }
}

/** Whether an alarm was set before the clock jumped back: none is set so far ahead. */
function isTooFarAhead(alarm: number): boolean {
  return alarm > Date.now() + MAX_DELAY_MS
}
