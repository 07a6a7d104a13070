import type { Claimed, ClaimRequest, Extended, Holders, Settled, Settlement } from '../shared/claim'
import type { RecordedLetter } from '../shared/dead-letter'
import type { NewEvent } from '../shared/event'
import { LOGGED_IDS } from '../shared/log'
import type { ShardMetrics } from '../shared/metrics'
import type {
  AcceptOutcome,
  ByHand,
  Flushed,
  HandOver,
  HeldEvent,
  Identity,
  MoveOutcome,
  NackKey,
  Redriven,
  WithShardCounts,
} from '../shared/outcomes'
import type { ShardCounts } from '../shared/owners'
import { repeatOf } from './accept-events'
import { Acceptor } from './acceptor'
import { Arming } from './alarm/arming'
import { AlarmLoop } from './alarm/loop'
import { Candidates } from './candidates'
import { Claims } from './claims'
import { KnownCounts } from './former-owners'
import { GroupCommit } from './group-commit'
import { type Move, moveEvents, removeEvents } from './move-events'
import { Pace } from './pace'
import { policyOf } from './policy'
import { extend, settle } from './settle'
import { RecountedShard } from './recounted-shard'
import { storyOf } from './story'
import { Waiters } from './waiters'

const FLUSH_TIMEOUT_MS = 2_000
const RESEND_AFTER_MS = 24 * 60 * 60 * 1_000
const REDRIVE_A_STEP = 1_000

/** Holds one shard's events: accepts each once, counts them exactly, and tells D1 about every change. */
export class EventShard extends RecountedShard {
  #pace = new Pace()
  #context = { env: this.env, name: this.ctx.id.name, store: this.store }
  #loop = new AlarmLoop(this.#context, this.ctx.id, this.#pace)
  #arming = new Arming(this.ctx.storage, this.store, this.#loop, this.ctx.id.name)
  #commits = new GroupCommit((change, calls) => this.#commit(change, calls), this.#pace)
  #counts = new KnownCounts(this.env, this.store.shardCounts)
  #acceptor = new Acceptor(this.#context, this.#commits, this.#counts)
  #policy = policyOf(this.env)
  #candidates = new Candidates(this.#context, () => this.#loop.isD1Away())
  #claims = new Claims(this.#context, this.#policy, this.#candidates)
  #waiters = new Waiters(this.ctx, this.#candidates)

  /**
   * Accepts events, each once.
   * @param counts SHARD_COUNT and what it was before; workers of the version before leave them out
   * @param refused deliveries that the worker refused, to be counted by source
   * @returns one outcome an event, in order; durable when this resolves
   * @example const [{ outcome }] = await shard.accept([event], [2]) // 'accepted', and a second time 'duplicate'
   */
  async accept(
    events: NewEvent[],
    counts?: ShardCounts,
    refused?: Record<string, number>,
  ): Promise<AcceptOutcome[]> {
    return this.#acceptor.accept(events, counts, refused)
  }

  /**
   * Keeps the largest SHARD_COUNT. It is the first shard that is told of all.
   * Its name stays as it is: workers and shards of two versions meet while one is deployed.
   * @returns every one, largest first
   */
  async noteShardCount(count: number): Promise<number[]> {
    return this.#counts.raiseTo(count)
  }

  /** Returns every SHARD_COUNT that this shard was told of, largest first. */
  async shardCounts(): Promise<number[]> {
    return this.#counts.all()
  }

  /**
   * Hands ids over to the shard that owns them under a larger `count`.
   * This shard, their owner before, accepts nothing for a smaller count from now on.
   * @returns what it has accepted under these ids
   */
  async handOver(events: Identity[], count: number): Promise<HandOver> {
    this.#counts.raise(count)
    const states = this.store.events.states(events.map(({ event_id }) => event_id))
    const outcomes = events.map((event) => {
      const first = states.get(event.event_id)
      return first ? repeatOf(event, first) : null
    })
    return { outcomes, clock: this.store.clock.now() }
  }

  /** Returns the event's present state, with its story if that is wanted, or null when there is no such event. */
  async get(eventId: string, withStory = false): Promise<HeldEvent | null> {
    const [state] = this.store.shown([...this.store.events.states([eventId]).values()])
    if (!state) return null
    const held = { ...state, body: this.store.heldBody(state) }
    return withStory ? { ...held, story: storyOf(this.store, state) } : held
  }

  /** Settles events for good, in one subscription or in all that have them open, whoever holds them. */
  async ack(ids: string[], how?: ByHand): Promise<MoveOutcome[]> {
    return this.#move({ ...how, verb: 'ack', ids })
  }

  /**
   * Counts that an event could not be processed, as ack does. The last nack fails it, for the reason given.
   * A nack with the key of the last one that had a key is not counted: it is a repeat, or a conflict of bodies.
   */
  async nack(id: string, reason: string, key?: NackKey, how?: ByHand): Promise<MoveOutcome[]> {
    return this.#move({ ...how, verb: 'nack', ids: [id], reason, key })
  }

  /** Opens events again where they failed. */
  async retry(ids: string[], how?: ByHand): Promise<MoveOutcome[]> {
    return this.#move({ ...how, verb: 'retry', ids })
  }

  /** Leases events to a consumer. Nobody else gets them until the lease ends. */
  async claim(request: ClaimRequest): Promise<Claimed> {
    const { subscription, waiter } = request
    if (waiter !== undefined) this.#waiters.claimed(subscription, waiter)
    this.#pace.committedAlone()
    return this.#claims.claim(request, (change) => this.#commitAlone(change))
  }

  /** Does what the holder of a lease says of its events. @returns one outcome an event */
  async settle(settlement: Settlement): Promise<Settled[]> {
    return this.#commits.ride(() => settle(this.store, settlement, this.#policy))
  }

  /** Lets a lease end so many milliseconds from now. @returns what it still holds, or null when that is nothing */
  async extend(lease: string, milliseconds: number): Promise<Extended> {
    return this.#commits.ride(() => extend(this.store, lease, milliseconds))
  }

  /** Lets a request of the worker wait for events; see Waiters. */
  override fetch(request: Request): Response {
    return this.#waiters.wait(request)
  }

  override webSocketClose(socket: WebSocket): void {
    this.#waiters.left(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#waiters.left(socket)
  }

  /**
   * Retries the events of up to REDRIVE_A_STEP dead letters, of this reason or of any. With a reason, other letters of
   * these events stay.
   * @returns how many events; call again while there are `more`
   */
  async redrive(reason: string | null, by = ''): Promise<Redriven> {
    return this.#redrive(null, reason, by)
  }

  /** Does so in one subscription. A shard of the version before does not know this, and must not redrive in all. */
  async redriveIn(subscription: string, reason: string, by = ''): Promise<Redriven> {
    return this.#redrive(subscription, reason, by)
  }

  /**
   * Removes events here and, by the journal, from D1.
   * @param deliveredBefore keeps those that were not delivered before this moment
   * @returns the ids of those removed
   */
  async remove(ids: string[], deliveredBefore?: number): Promise<string[]> {
    return this.#commits.ride(() => removeEvents(this.store, ids, deliveredBefore))
  }

  /** Remembers which dead letters D1 has. @returns for each, in order, whether it still stands */
  async recorded(letters: RecordedLetter[]): Promise<boolean[]> {
    return letters.map((letter) => this.store.letters.markRecorded(letter))
  }

  /** Counts deliveries that the worker refused, by source. Writes one row. */
  async countRefused(refused: Record<string, number>): Promise<void> {
    return this.#acceptor.countRefused(refused)
  }

  /**
   * Returns the counters, which change in the same transaction as the events they count.
   * @param count for noteShardCount
   * @param hours of how many hours to count what happened in them
   */
  async metrics(count?: number, hours = 0): Promise<WithShardCounts<ShardMetrics>> {
    const raised = await this.#raised(count)
    return { ...this.store.metrics(hours), subscriptions: this.#claims.metrics(), ...raised }
  }

  /** Lists leases that are not over, those first that end first, and counts the requests that wait for events. */
  async leases(subscription: string, most: number): Promise<Holders> {
    const leases = this.store.leases.list(subscription, this.store.clock.present(), most)
    return { leases, waiting: this.ctx.getWebSockets(subscription).length }
  }

  /** Sends dead letters again that D1 has lost. @returns how many of them still stand */
  async resend(letters: RecordedLetter[]): Promise<number> {
    const resent = this.store.letters.resend(letters)
    if (resent > 0) await this.#arming.ensure()
    return resent
  }

  /**
   * Tells D1 what the journal holds now, for at most FLUSH_TIMEOUT_MS.
   * @param count for noteShardCount
   * @returns what D1 has still not been told of it, and how many events there are
   */
  async flush(count?: number): Promise<WithShardCounts<Flushed>> {
    const raised = await this.#raised(count)
    const untold = await this.#loop.flush(FLUSH_TIMEOUT_MS)
    return { ...untold, counts: this.store.statusCounts(), ...raised }
  }

  /**
   * Arms an alarm if there is work and none is due, and gives up what has used up its leases. Cron calls this, in case
   * an alarm ever goes missing, or nobody claims.
   * Dead letters that the queue took RESEND_AFTER_MS ago and D1 never got are work too: they are sent again.
   */
  async ensureAlarm(): Promise<void> {
    this.store.letters.resendUnrecorded(Date.now() - RESEND_AFTER_MS)
    await this.#arming.ensure()
    for (const name of this.store.leases.expiredIn(this.store.clock.present()))
      this.#commitAlone(() => this.#claims.failWornOut(name))
  }

  /**
   * Does what is due, and arms the next alarm.
   * It records every failure and never throws: the runtime gives up on a handler that threw six times.
   */
  override async alarm(): Promise<void> {
    await this.#arming.run()
    this.#waiters.tell(this.store.places.takeNews(), this.store.clock.present())
  }

  #move(move: Move): Promise<MoveOutcome[]> {
    return this.#commits.ride(() => moveEvents(this.store, move, this.#policy))
  }

  #redrive(subscription: string | null, reason: string | null, by: string): Promise<Redriven> {
    return this.#commits.ride(() => {
      const letters = this.store.letters.pairs(reason, REDRIVE_A_STEP, subscription)
      const ids = [...new Set(letters.map(([id]) => id))]
      const only = reason === null ? undefined : letters
      const move = { verb: 'retry', ids, letters: only, by } as const
      const outcomes = moveEvents(this.store, move, this.#policy)
      const event_ids = ids.filter((_, index) => outcomes[index]?.outcome === 'moved')
      return {
        redriven: event_ids.length,
        event_ids: event_ids.slice(0, LOGGED_IDS),
        more: letters.length === REDRIVE_A_STEP,
      }
    })
  }

  async #raised(count: number | undefined): Promise<WithShardCounts<object>> {
    return count === undefined ? {} : { shard_counts: await this.#counts.raiseTo(count) }
  }

  /** Makes a change in one transaction, for so many calls. */
  #commit<T>(change: () => T, calls: number): T {
    const result = this.#commitAlone(change)
    this.#pace.committed(calls)
    return result
  }

  /** Makes a change in a transaction that waits for no others, and says so to those whom it concerns. */
  #commitAlone<T>(change: () => T): T {
    const result = this.store.transaction(change)
    this.#arming.committed()
    this.#waiters.tell(this.store.places.takeNews(), this.store.clock.present())
    return result
  }
}
