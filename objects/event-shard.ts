import { DurableObject } from 'cloudflare:workers'
import type { RecordedLetter } from './dead-letter'
import type { EventStatus, NewEvent } from './event'
import { bodyLength, cutIntoRows, type EventBody, type EventState } from './journal'
import { maxRetries, transition, type Verb } from './lifecycle'
import { LIMITS } from './limits'
import { log, LOGGED_IDS } from './log'
import type { ShardMetrics } from './metrics'
import { Outbox } from './outbox'
import { backoffMs, MAX_DELAY_MS } from './retry'
import {
  type CountStep,
  countPeriods,
  type HeldLetter,
  heldLetters,
  lettersD1MayHave,
  type Recount,
  recountRows,
  untoldPeriods,
} from './shard-recount'
import { addMove, type CountChanges, ShardStore, type Untold } from './shard-store'
import { askFormerCounts, askFormerOwners, type FormerOutcomes, type ShardCounts } from './shards'
import type { Instant } from './verification'

export type AcceptOutcome =
  | KnownOutcome
  /** A shard that may have it already did not answer; or, `busy`, this one has too much under way. Nothing was stored. */
  | { outcome: 'unanswered'; busy?: true }

export interface KnownOutcome {
  /** `replayed`: a request with its idempotency key was accepted before, with the same body. `mismatch`: with another one. */
  outcome: 'accepted' | 'duplicate' | 'replayed' | 'mismatch'
  created_at: number
  /** Of the first one. */
  status: EventStatus
}

export type MoveOutcome =
  /** `replayed`: by an earlier nack with the same idempotency key and body; the event is as it is now. */
  | { outcome: 'moved'; event: EventState; replayed?: true }
  /** `mismatch`: its idempotency key was that of a nack with another body. */
  | { outcome: 'refused' | 'mismatch'; status: EventStatus }
  | { outcome: 'unknown' }
  /** It may be in a shard that this worker has not heard of. */
  | { outcome: 'unanswered' }

/** What tells a nack from one that is sent again: digests of its idempotency key and of its body. */
export interface NackKey {
  nack_key: string
  nack_body: string
}

/** What tells an event from its duplicates. */
export interface Identity {
  event_id: string
  fingerprint?: string | undefined
}

export interface HandOver {
  /** Null for an id that is not here, nor will be. */
  outcomes: (AcceptOutcome | null)[]
  /** Later than all that this shard ever did with these ids. */
  clock: number
}

export interface Redriven {
  redriven: number
  /** The first of them, for the log; absent from shards of the version before. */
  event_ids?: string[]
  more: boolean
}

/** An event's state, with its body as long as D1 does not have it. */
export interface HeldEvent extends EventState {
  body: EventBody | null
}

const FLUSH_TIMEOUT_MS = 2_000
/** While events come in together, a commit waits until the one before is so old: the more it carries, the less each costs. */
const GROUP_MS = 20
/** Their ids go into one bound string, which may have 2 MB. */
const MAX_GROUP_EVENTS = 4_000
const RESEND_AFTER_MS = 24 * 60 * 60 * 1_000
const REDRIVE_A_STEP = 1_000
/** An alarm so late will not come any more. */
const OVERDUE_MS = 60_000

/** Accepts that arrived while a commit was being put together: they ride in it. */
interface Group {
  events: NewEvent[]
  counts: ShardCounts | undefined
  calls: number
  committed: Promise<AcceptOutcome[]>
}

/** One shard's events: accepts each once, counts them exactly, and tells D1 about every change. */
export class EventShard extends DurableObject<Env> {
  #store = new ShardStore(this.ctx.storage)
  #outbox = new Outbox(this.ctx, this.env, this.#store)
  #group: Group | undefined
  /** UTF-16 units of the events that wait for a commit. */
  #charsUnderWay = 0
  /** When the last commit was made, if it carried more than one call; else 0. */
  #groupedAt = 0
  /** When the alarm for the journal is due, 0 while it runs; null for none, as far as this object knows since it started. */
  #armedFor: number | null = null
  /** The largest SHARD_COUNT this shard was told of. */
  #shardCount = this.#store.shardCounts()[0] ?? 0

  /** @returns one outcome an event, in order; durable when this resolves. @param counts absent from workers of the version before */
  async accept(events: NewEvent[], counts?: ShardCounts): Promise<AcceptOutcome[]> {
    const chars = events.reduce((sum, event) => sum + bodyLength(event), 0)
    const isBusy = this.#charsUnderWay + chars > LIMITS.SHARD_CHARS_UNDER_WAY
    // One that is too large even so is better taken alone than never.
    if (isBusy && this.#charsUnderWay > 0)
      return events.map(() => ({ outcome: 'unanswered', busy: true }))
    const isFull = this.#group && this.#group.events.length >= MAX_GROUP_EVENTS
    if (isFull || this.#group?.counts?.[0] !== counts?.[0]) this.#group = undefined
    const group = (this.#group ??= this.#openGroup(counts))
    const first = group.events.length
    group.events.push(...events)
    group.calls++
    this.#charsUnderWay += chars
    const outcomes = await group.committed.finally(() => (this.#charsUnderWay -= chars))
    return outcomes.slice(first, first + events.length)
  }

  /** Notes a SHARD_COUNT. @returns every one there was, largest first; asked of the first shard, which is told of all. */
  async noteShardCount(count: number): Promise<number[]> {
    // One that is new itself may be the first shard of an older inbox.
    const former = this.#shardCount === 0 ? await askFormerCounts(this.env, count) : []
    for (const each of [...former.toSorted((a, b) => a - b), count]) this.#raise(each)
    return this.#store.shardCounts()
  }

  /** Every SHARD_COUNT this shard was told of, largest first. */
  async shardCounts(): Promise<number[]> {
    return this.#store.shardCounts()
  }

  /**
   * Hands ids over to their owner under a larger `count`: says what this shard, their owner before, has accepted under them, and accepts
   * nothing for a smaller count from now on.
   */
  async handOver(events: Identity[], count: number): Promise<HandOver> {
    this.#raise(count)
    const states = this.#store.states(events.map(({ event_id }) => event_id))
    const outcomes = events.map((event) => {
      const first = states.get(event.event_id)
      return first ? repeatOf(event, first) : null
    })
    return { outcomes, clock: this.#store.clock }
  }

  /** The event's present state, or null when there is none. */
  async get(eventId: string): Promise<HeldEvent | null> {
    const [state] = this.#store.shown([...this.#store.states([eventId]).values()])
    return state ? { ...state, body: this.#store.heldBody(state) } : null
  }

  /** Marks pending events as delivered. */
  async ack(ids: string[]): Promise<MoveOutcome[]> {
    return this.#move('ack', ids)
  }

  /** Counts that a consumer could not process a pending event; the last nack fails it, for the reason given. With the key of the last one it counts nothing. */
  async nack(id: string, reason: string, key?: NackKey): Promise<MoveOutcome[]> {
    return this.#move('nack', [id], reason, key)
  }

  /** Makes failed events pending again. */
  async retry(ids: string[]): Promise<MoveOutcome[]> {
    return this.#move('retry', ids)
  }

  /** Retries dead letters, all or those with this reason. @returns how many; call again while there are `more` */
  async redrive(reason: string | null): Promise<Redriven> {
    const ids = this.#store.deadLetterIds(reason, REDRIVE_A_STEP)
    const outcomes = this.#move('retry', ids)
    const event_ids = ids.filter((_, index) => outcomes[index]?.outcome === 'moved')
    return {
      redriven: event_ids.length,
      event_ids: event_ids.slice(0, LOGGED_IDS),
      more: ids.length === REDRIVE_A_STEP,
    }
  }

  /** Removes events everywhere; with `deliveredBefore` only those delivered before that moment. @returns the ids of those removed */
  async remove(ids: string[], deliveredBefore?: number): Promise<string[]> {
    return this.#commit(() => {
      const found = [...this.#store.states(ids).values()].filter(
        (state) =>
          deliveredBefore === undefined ||
          (state.status === 'delivered' && state.updated_at < deliveredBefore),
      )
      const gone = found.map((state) => state.event_id)
      if (gone.length === 0) return gone
      const changes: CountChanges = { queue_depth: -this.#store.stopWaiting(found) }
      for (const { status } of found) changes[status] = (changes[status] ?? 0) - 1
      this.#store.delete(gone)
      this.#store.note('delete', found)
      this.#store.count(changes)
      return gone
    })
  }

  /** Notes which dead letters D1 has. @returns for each, in order, whether it still is one */
  async recorded(letters: RecordedLetter[]): Promise<boolean[]> {
    return letters.map(({ event_id, failed_at }) => this.#store.markRecorded(event_id, failed_at))
  }

  /** Counters that change in the same transaction as the events they count: exact at every instant. */
  async metrics(): Promise<ShardMetrics> {
    return this.#store.metrics()
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
    return { clock: this.#store.tick(), accepted, ...untold }
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
    const resent = this.#store.resend(letters)
    if (resent > 0) await this.#ensureAlarm()
    return resent
  }

  /** Writes out what the journal holds now, for at most FLUSH_TIMEOUT_MS. @returns what D1 was not told of it */
  async flush(): Promise<Untold> {
    return this.#outbox.flush(FLUSH_TIMEOUT_MS)
  }

  /** Called by cron, in case an alarm ever goes missing: arms one if there is work and none is due. */
  async poke(): Promise<void> {
    this.#store.resendUnrecorded(Date.now() - RESEND_AFTER_MS)
    await this.#ensureAlarm()
  }

  /** Does what is due. Records every failure and never throws: the runtime gives up on a handler that threw six times. */
  override async alarm(): Promise<void> {
    this.#armedFor = 0
    let wait: number | null
    try {
      await this.#outbox.work()
      wait = this.#outbox.untilNextWork()
    } catch (error) {
      log('error', 'the alarm loop failed unexpectedly', {
        shard: this.ctx.id.name,
        error: String(error),
      })
      wait = backoffMs(1)
    }
    // Never for this very moment: that would cut the chain.
    const next = wait === null ? null : Date.now() + Math.max(1, wait)
    // An alarm that is for something else, later, must not keep the journal waiting.
    this.#armedFor = this.#store.hasJournal() ? next : null
    // Last of all.
    if (next !== null) await this.ctx.storage.setAlarm(next)
  }

  async #ensureAlarm(): Promise<void> {
    const wait = this.#outbox.untilNextWork()
    if (wait === null) return
    const due = Date.now() + Math.max(1, wait)
    const alarm = await this.ctx.storage.getAlarm()
    const isOverdue = alarm !== null && alarm < Date.now() - OVERDUE_MS
    if (alarm === null || alarm > due || isOverdue) await this.ctx.storage.setAlarm(due)
  }

  #openGroup(counts: ShardCounts | undefined): Group {
    const events: NewEvent[] = []
    // The accepts that already wait in the event loop are delivered before a timer fires, however short.
    const wait = Math.min(GROUP_MS, Math.max(0, this.#groupedAt + GROUP_MS - Date.now()))
    const committed = scheduler.wait(wait).then(async () => {
      if (this.#group === group) this.#group = undefined
      this.#groupedAt = group.calls > 1 ? Date.now() : 0
      const former =
        counts && counts.length > 1 ? await askFormerOwners(this.env, events, counts) : undefined
      this.#store.passClock(former?.clock ?? 0)
      // Checked as late as this: the shard that owns these ids now may have asked for them meanwhile.
      if (counts && counts[0] < this.#shardCount) throw new Error('SHARD_COUNT was raised')
      const outcomes = this.#commit(() => this.#acceptAll(events, former?.outcomes), group.calls)
      this.#logAccepted(events.filter((_, index) => outcomes[index]?.outcome === 'accepted'))
      return outcomes
    })
    const group: Group = { events, counts, calls: 0, committed }
    return group
  }

  #raise(count: number): void {
    if (count <= this.#shardCount) return
    this.#store.addShardCount(count)
    this.#shardCount = count
  }

  /** One transaction. Arms the alarm together with the first row of the journal: while there are rows, one is due or running. */
  #commit<T>(change: () => T, calls = 1): T {
    const result = this.ctx.storage.transactionSync(change)
    this.#outbox.noteCalls(calls)
    const isArmed = this.#armedFor !== null && !isTooFarAhead(this.#armedFor)
    if (!isArmed && this.#store.hasJournal()) {
      // Not for this very moment: one that was due just now may not be over yet.
      this.#armedFor = Date.now() + 1
      void this.ctx.storage.setAlarm(this.#armedFor)
    }
    return result
  }

  #acceptAll(events: NewEvent[], former?: FormerOutcomes): AcceptOutcome[] {
    const known = this.#store.states(events.map((event) => event.event_id))
    const fresh = new Map<string, NewEvent>()
    for (const event of events) {
      const isKnown = known.has(event.event_id) || former?.get(event)
      if (!isKnown && !fresh.has(event.event_id)) fresh.set(event.event_id, event)
    }
    const createdAt = new Map<string, number>()
    for (const row of cutIntoRows([...fresh.values()])) {
      const asked = row.filter((event) => former?.has(event)).map(({ event_id }) => event_id)
      const created_at = this.#store.insert(row, new Set(asked))
      for (const { event_id } of row) createdAt.set(event_id, created_at)
    }
    const accepted = fresh.size
    if (accepted > 0)
      this.#store.count({ pending: accepted, queue_depth: accepted, happened: { accepted } })
    return events.map((event) => {
      const first = known.get(event.event_id)
      if (first) return repeatOf(event, first)
      const twin = fresh.get(event.event_id)
      const created_at = createdAt.get(event.event_id) ?? 0
      const own = { outcome: 'accepted', created_at, status: 'pending' } as const
      if (twin === event) return own
      return former?.get(event) ?? repeatOf(event, { ...twin, ...own })
    })
  }

  /** One line a commit: a line a request would cost more than all the rest of accepting it. */
  #logAccepted(accepted: NewEvent[]): void {
    if (accepted.length === 0) return
    const events = accepted.map(({ event_id, correlation_id, caller }) => ({
      correlation_id,
      caller,
      event_id,
    }))
    const what = events.length === 1 ? events[0] : { events }
    log('info', 'accepted', { shard: this.ctx.id.name, ...what })
  }

  #move(verb: Verb, ids: string[], reason = '', key?: NackKey): MoveOutcome[] {
    return this.#commit(() => {
      const states = this.#store.states(ids)
      const at = this.#store.tick()
      const moved: EventState[] = []
      const changes: CountChanges = {}
      const outcomes = ids.map((id): MoveOutcome => {
        const state = states.get(id)
        if (!state) return { outcome: 'unknown' }
        if (key && state.nack_key === key.nack_key)
          return state.nack_body === key.nack_body
            ? { outcome: 'moved', event: state, replayed: true }
            : { outcome: 'mismatch', status: state.status }
        const next = transition(verb, state, at, maxRetries(this.env))
        if (!next) return { outcome: 'refused', status: state.status }
        const event = { ...next, ...key }
        states.set(id, event)
        moved.push(event)
        addMove(changes, state.status, event.status)
        return { outcome: 'moved', event }
      })
      if (moved.length === 0) return outcomes
      this.#store.update(moved)
      const movedIds = moved.map((event) => event.event_id)
      this.#store.note(verb === 'retry' ? 'redrive' : 'change', moved)
      if (verb === 'retry') {
        this.#store.deleteDeadLetters(movedIds)
        changes.queue_depth = this.#store.resumeParked(movedIds, Date.now())
      }
      this.#store.count(changes)
      const failed = moved.filter((event) => event.status === 'failed')
      this.#store.addDeadLetters(
        failed.map(({ event_id }) => ({ event_id, reason, failed_at: at })),
      )
      const shown = new Map(this.#store.shown(moved).map((event, index) => [moved[index], event]))
      return outcomes.map((each) =>
        each.outcome === 'moved' ? { ...each, event: shown.get(each.event) ?? each.event } : each,
      )
    })
  }
}

/** Whether an alarm was set before the clock jumped back: none is set so far ahead. */
function isTooFarAhead(alarm: number): boolean {
  return alarm > Date.now() + MAX_DELAY_MS
}

/** What becomes of an event that is in the inbox already. */
function repeatOf(
  { fingerprint }: Identity,
  first: Pick<EventState, 'created_at' | 'status' | 'fingerprint'>,
): AcceptOutcome {
  const { created_at, status } = first
  if (fingerprint === undefined) return { outcome: 'duplicate', created_at, status }
  return {
    outcome: first.fingerprint === fingerprint ? 'replayed' : 'mismatch',
    created_at,
    status,
  }
}
