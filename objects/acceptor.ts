import { bodyLength, type NewEvent } from '../shared/event'
import { LIMITS } from '../shared/limits'
import { log } from '../shared/log'
import type { AcceptOutcome } from '../shared/outcomes'
import type { ShardCounts } from '../shared/owners'
import { refusedBySource } from '../shared/source-counts'
import { acceptEvents } from './accept-events'
import type { ShardContext } from './shard-context'
import { askFormerOwners, type FormerOutcomes, type KnownCounts } from './former-owners'
import type { Group, GroupCommit } from './group-commit'

/** A batch has at most this many events: their ids go into one bound string, which may have 2 MB. */
const MAX_BATCH_EVENTS = 4_000

/** The events of several calls that are accepted together. */
interface Batch {
  group: Group
  events: NewEvent[]
  counts: ShardCounts | undefined
  former?: Promise<FormerOutcomes>
  known?: FormerOutcomes
  /** Null when the shard no longer accepts events for this SHARD_COUNT. */
  outcomes?: AcceptOutcome[] | null
}

/** Accepts the events of calls that come in together, with one query for known ids and one log line. */
export class Acceptor {
  readonly #shard: ShardContext
  readonly #commits: GroupCommit
  readonly #counts: KnownCounts
  #batch: Batch | undefined
  /** UTF-16 units of the events that wait for a commit. */
  #charsUnderWay = 0

  constructor(shard: ShardContext, commits: GroupCommit, counts: KnownCounts) {
    this.#shard = shard
    this.#commits = commits
    this.#counts = counts
  }

  /** Does the work of EventShard.accept. */
  async accept(
    events: NewEvent[],
    counts?: ShardCounts,
    refused?: Record<string, number>,
  ): Promise<AcceptOutcome[]> {
    const chars = events.reduce((sum, event) => sum + bodyLength(event), 0)
    const isBusy = this.#charsUnderWay + chars > LIMITS.SHARD_CHARS_UNDER_WAY
    // A call that is larger than the limit is taken when nothing else is under way: it would never fit otherwise.
    if (isBusy && this.#charsUnderWay > 0)
      return events.map(() => ({ outcome: 'unanswered', busy: true }))
    const batch = this.#batchFor(counts)
    const first = batch.events.length
    batch.events.push(...events)
    this.#charsUnderWay += chars
    // It rides in the same commit, so it costs no row.
    if (refused) void this.countRefused(refused).catch(() => {})
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

  /** Counts refused deliveries by source, with the next commit. */
  countRefused(refused: Record<string, number>): Promise<void> {
    const { store } = this.#shard
    return this.#commits.ride(() => store.count({ sources: refusedBySource(refused) }))
  }

  /** Finds the batch of the open group that these events can join, or begins a new one. */
  #batchFor(counts: ShardCounts | undefined): Batch {
    const batch = this.#batch
    const isSame = batch?.group === this.#commits.open() && batch.counts?.[0] === counts?.[0]
    if (batch && isSame && batch.events.length < MAX_BATCH_EVENTS) return batch
    if (batch?.group === this.#commits.open()) this.#commits.close()
    return (this.#batch = { group: this.#commits.open(), events: [], counts })
  }

  async #askFormerOwners(batch: Batch, counts: ShardCounts): Promise<void> {
    const { env, store } = this.#shard
    batch.former ??= askFormerOwners(env, batch.events, counts).then(({ outcomes, clock }) => {
      store.clock.advanceClockPast(clock)
      return outcomes
    })
    batch.known = await batch.former
  }

  /** Accepts a batch, once for all of its calls. */
  #acceptBatch(batch: Batch): AcceptOutcome[] | null {
    const { events, counts, known } = batch
    // This is checked only now because the new owner of these ids may have asked for them while the batch waited.
    const isPast = counts && counts[0] < this.#counts.largest
    if (batch.outcomes === undefined)
      batch.outcomes = isPast ? null : acceptEvents(this.#shard.store, events, known)
    return batch.outcomes
  }

  /** Logs one line a batch. A line a request would cost more than all the rest of accepting it. */
  #logAccepted(batch: NewEvent[], outcomes: AcceptOutcome[]): void {
    const accepted = batch.filter((_, index) => outcomes[index]?.outcome === 'accepted')
    if (accepted.length === 0) return
    const events = accepted.map(({ event_id, correlation_id, caller }) => ({
      correlation_id,
      caller,
      event_id,
    }))
    const what = events.length === 1 ? events[0] : { events }
    log('info', 'accepted', { shard: this.#shard.name, ...what })
  }
}
