import { DurableObject } from 'cloudflare:workers'
import type { RecordedLetter } from '../shared/dead-letter'
import type { CountStep, HeldLetter, Recount } from '../shared/outcomes'
import type { Instant } from '../shared/verification'
import {
  countPeriods,
  heldLetters,
  lettersD1MayHave,
  recountRows,
  untoldPeriods,
} from './store/recount'
import { recountPairs } from './store/recount-pairs'
import { ShardStore } from './store/shard-store'

/** Answers what `?verify=1` asks of a shard: it counts the rows anew, and changes nothing. */
export abstract class RecountedShard extends DurableObject<Env> {
  protected readonly store = new ShardStore(this.ctx.storage)

  /** Returns the counters beside a fresh count of the rows. It reads every row at once. */
  async recount(): Promise<Recount> {
    const { sql } = this.ctx.storage
    const { backlog, clock } = this.store
    const pairs = recountPairs(sql, clock.present(), backlog.counts())
    return { ...recountRows(sql, this.ctx.id.name ?? this.ctx.id.toString()), pairs }
  }

  /** Counts the next events by period of `created_at`. @param hours the moment from which on a period is an hour */
  async countPeriods(hours: number, after: string): Promise<CountStep> {
    return countPeriods(this.ctx.storage.sql, hours, after)
  }

  /** Says in which periods D1 has not been told of everything at this instant. */
  async untold(hours: number): Promise<Instant> {
    const { accepted_total: accepted } = this.store.metrics()
    const untold = untoldPeriods(this.ctx.storage.sql, hours)
    return { clock: this.store.clock.nextTimestamp(), accepted, ...untold }
  }

  /** Returns the next dead letters, in the order of their events' ids, and all of each event. */
  async letters(after: string): Promise<HeldLetter[]> {
    return heldLetters(this.ctx.storage.sql, after)
  }

  /** Picks the letters that D1 may have: they still stand, or D1 has not been told yet that they do not. */
  async lettersD1MayHave(letters: RecordedLetter[]): Promise<RecordedLetter[]> {
    return lettersD1MayHave(this.ctx.storage.sql, letters)
  }
}
