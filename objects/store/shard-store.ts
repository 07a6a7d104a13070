import { MAX_STEP_EVENTS } from '../../d1/change'
import {
  bodyLength,
  type EventBody,
  type EventState,
  type EventStatus,
  INBOX,
  type NewEvent,
} from '../../shared/event'
import type { ShardMetrics } from '../../shared/metrics'
import type { Untold } from '../../shared/outcomes'
import { addToSubscription, type CountsBySubscription } from '../../shared/subscription-counts'
import { encodeAccepted, type JournalEntry, type Step, withAttempts } from '../journal'
import { mendAfterRollback } from './after-rollback'
import { backlogOn } from './backlog'
import { clockOn } from './clock'
import type { Entry } from '../entries'
import { visibleFrom } from '../pairs'
import { type CountChanges, countersOn, sumOf } from './counters'
import { deadLettersOn } from './dead-letters'
import { eventsOn } from './events'
import { journalOn } from './journal'
import { leasesOn } from './leases'
import { parkedOn } from './parked'
import { Places } from './places'
import { readyOn } from './ready'
import { shardCountsOn } from './shard-counts'
import { sqlOn } from './sql'
import { migrate } from './tables'

/** Which event it is. */
type Accepted = Pick<EventState, 'event_id' | 'created_at'>

/** Holds a shard's tables, and has the verbs that change several of them together. */
export class ShardStore {
  readonly #storage: DurableObjectStorage
  readonly #sql
  readonly #counters
  readonly clock
  readonly events
  readonly journal
  readonly parked
  readonly letters
  readonly shardCounts
  readonly backlog
  readonly ready
  readonly leases
  readonly places
  #isOpen = false
  /** What the open transaction has counted; it is written once, when the transaction ends. */
  #counted: CountChanges | null = null
  /** What the open transaction has journaled; written when it ends, or when there is enough for a row. */
  #entries: { seq: number; entries: JournalEntry[] } | null = null

  constructor(storage: DurableObjectStorage) {
    migrate(storage)
    mendAfterRollback(storage)
    this.#storage = storage
    this.#sql = sqlOn(storage.sql)
    this.#counters = countersOn(this.#sql)
    this.clock = clockOn(this.#sql)
    this.events = eventsOn(this.#sql)
    this.journal = journalOn(this.#sql)
    this.parked = parkedOn(this.#sql)
    this.letters = deadLettersOn(this.#sql)
    this.shardCounts = shardCountsOn(this.#sql)
    this.backlog = backlogOn(this.#sql)
    this.ready = readyOn(this.#sql)
    this.leases = leasesOn(this.#sql)
    this.places = new Places(this.ready, this.leases, this.clock)
  }

  /** Runs changes in one transaction. Their counts share a row, and so do their journal entries. */
  transaction<T>(change: () => T): T {
    return this.#storage.transactionSync(() => {
      this.#isOpen = true
      try {
        const result = change()
        this.#writeEntries()
        if (this.#counted) this.#counters.count(this.#counted, this.clock.now())
        return result
      } finally {
        this.#isOpen = false
        this.#counted = null
        this.#entries = null
      }
    })
  }

  /** Collects changes of the counters, which are written when the transaction ends. */
  count(changes: CountChanges): void {
    this.#mustBeOpen()
    this.#counted = this.#counted ? sumOf(this.#counted, changes) : changes
  }

  /**
   * Journals that D1 must be told of these events. Their state is read when D1 is told.
   * @param redriven the subscriptions in which a redriven event is no dead letter any more; without an entry, all
   */
  appendToJournal(
    op: 'change' | 'redrive' | 'delete',
    states: EventState[],
    redriven?: ReadonlyMap<string, string[]>,
  ): void {
    this.#mustBeOpen()
    if (this.#entries && this.#entries.entries.length + states.length > MAX_STEP_EVENTS)
      this.#writeEntries()
    this.#entries ??= { seq: this.clock.nextTimestamp(), entries: [] }
    for (const { event_id, created_at } of states) {
      // When an event is deleted, its entry is all that is left to say when it was accepted.
      const subscriptions = redriven?.get(event_id)
      if (op === 'delete') this.#entries.entries.push({ op, event_id, created_at })
      else if (op === 'redrive' && subscriptions)
        this.#entries.entries.push({ op, event_id, subscriptions })
      else this.#entries.entries.push({ op, event_id })
    }
  }

  /**
   * Inserts new events and the journal row that carries their bodies.
   * @param replaces as in encodeAccepted
   * @returns their `created_at`
   */
  accept(events: NewEvent[], replaces?: Set<string>): number {
    // What was journaled before stays before: one of these may take the id of an event that was just deleted.
    this.#writeEntries()
    const createdAt = this.clock.nextTimestamp()
    this.events.insert(events, createdAt)
    const { entries, bodies } = encodeAccepted(events, replaces)
    this.journal.append(createdAt, events.length, entries, bodies)
    this.#putNew(events, createdAt)
    return createdAt
  }

  /** Removes events from every table but the journal. @returns how many of them waited to be stored */
  remove(states: EventState[]): number {
    const ids = states.map(({ event_id }) => event_id)
    const waited = this.journal.stopWaiting(states) + this.parked.countWaiting(ids)
    for (const table of [this.events, this.parked]) table.delete(ids)
    this.count({ letters: -this.letters.delete(ids) })
    return waited
  }

  /** Removes a step that D1 was told of from the journal. @returns how many events waited in it */
  finishStep({ rows, rest }: Step): number {
    if (!rest) return this.journal.deleteUpTo(rows.at(-1)?.seq ?? 0)
    const told = rows.flatMap(({ entries }) =>
      entries.flatMap(({ op, event_id }) => (op === 'accept' ? [event_id] : [])),
    )
    const states = [...this.events.states(told).values()]
    const waited = states.filter(({ created_at }) => created_at === rest.seq).length
    this.journal.narrow(rest, waited)
    return waited
  }

  /** Returns the states as answers show them, in order: with the attempts that the journal counts so far. */
  shown(states: EventState[]): EventState[] {
    const rows = this.journal.waitingIn(states, 'attempts > 0')
    return states.map((state) => withAttempts(state, rows.get(state.event_id)?.attempts ?? 0))
  }

  /** Returns the body of an event that D1 does not have. */
  heldBody(state: EventState): EventBody | null {
    return this.journal.bodyOf(state) ?? this.parked.find(state.event_id)?.body ?? null
  }

  /** Returns the ids of those events whose body D1 does not have. */
  held(states: Accepted[]): Set<string> {
    const ids = states.map(({ event_id }) => event_id)
    return new Set([...this.journal.waitingIn(states).keys(), ...this.parked.held(ids)])
  }

  /**
   * Returns the bodies of such events, by id. It stops after `most` UTF-16 units, and returns at least one when there
   * is any.
   */
  heldBodies(states: Accepted[], most: number): Map<string, EventBody> {
    const bodies = this.journal.bodiesOf(states, most)
    let chars = [...bodies.values()].reduce((sum, body) => sum + bodyLength(body), 0)
    const waits = this.journal.waitingIn(states)
    for (const { event_id } of states.filter((state) => !waits.has(state.event_id))) {
      const body = this.parked.find(event_id)?.body
      if (!body) continue
      chars += bodyLength(body)
      if (bodies.size > 0 && chars > most) break
      bodies.set(event_id, body)
    }
    return bodies
  }

  /** Counts what D1 has not been told of the journal up to `end`, and what it rejected. */
  untold(end: number): Untold {
    const [waiting, refused] = [this.journal.waiting(end), this.parked.untold()]
    return {
      unstored: waiting.unstored + refused.unstored,
      stale: waiting.stale + refused.stale,
    }
  }

  /** Returns the counters. They change in the same transaction as what they count, so they are always exact. */
  metrics(hours = 0): Omit<ShardMetrics, 'subscriptions'> {
    return this.#counters.metrics(hours)
  }

  /** Counts what was done in each subscription. */
  subscriptions(): CountsBySubscription {
    return this.#counters.subscriptions()
  }

  /** Counts the events in each status. */
  statusCounts(): Record<EventStatus, number> {
    return this.#counters.byStatus()
  }

  /** Throws outside of a transaction, where what is counted or journaled would never be written. */
  #mustBeOpen(): void {
    if (!this.#isOpen) throw new Error('this belongs into a transaction')
  }

  /** Puts new events into the rows of their subscriptions, and counts them there. */
  #putNew(events: NewEvent[], createdAt: number): void {
    const subscriptions: CountsBySubscription = new Map()
    const placed = events.flatMap(
      ({ event_id, subscriptions: names = [INBOX], not_before = 0 }) => {
        const visible_at = visibleFrom(createdAt, not_before)
        return names.map((name) => ({ name, visible_at, event_id }))
      },
    )
    for (const [name, own] of Map.groupBy(placed, (each) => each.name)) {
      addToSubscription(subscriptions, name, { open: own.length })
      for (const [visible_at, together] of Map.groupBy(own, (each) => each.visible_at))
        this.places.put(
          name,
          together.map(({ event_id }): Entry => [event_id, createdAt]),
          visible_at,
        )
    }
    this.count({ subscriptions })
  }

  #writeEntries(): void {
    if (this.#entries) this.journal.append(this.#entries.seq, 0, this.#entries.entries, '')
    this.#entries = null
  }
}
