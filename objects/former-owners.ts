import { type AcceptOutcome } from '../shared/outcomes'
import type { NewEvent } from '../shared/event'
import { log } from '../shared/log'
import { ANSWER_TIMEOUT_MS, ownersOf, type ShardCounts, shardName } from '../shared/owners'
import { withTimeout } from '../shared/retry'
import type { ShardStore } from './store/shard-store'

/** Asks other shards after SHARD_COUNT was raised. An inbox that never raised it makes none of these calls. */

/** What former owners say of events; null for an event new to them. Events without former owners are left out. */
export type FormerOutcomes = Map<NewEvent, AcceptOutcome | null>

/**
 * Takes ids over from the shards that owned them under smaller counts.
 * Ids that the service made are left out: no other shard can have them.
 * @returns what those shards know of the events, and a clock later than everything that was done with them
 */
export async function askFormerOwners(
  env: Env,
  events: NewEvent[],
  counts: ShardCounts,
): Promise<{ outcomes: FormerOutcomes; clock: number }> {
  const outcomes: FormerOutcomes = new Map()
  const clocks = [0]
  const owned = events
    .filter(({ isNew }) => !isNew)
    .flatMap((event) => {
      const [, ...former] = ownersOf(event.event_id, counts)
      return former.map((name) => ({ name, event }))
    })
  const asking = [...Map.groupBy(owned, ({ name }) => name)].map(async ([name, own]) => {
    const ids = own.map(({ event: { event_id, fingerprint } }) => ({ event_id, fingerprint }))
    const asked = env.SHARD.getByName(name).handOver(ids, counts[0])
    const answer = await withTimeout(asked, ANSWER_TIMEOUT_MS).catch((error: unknown) => {
      log('error', 'a shard did not answer', { shard: name, error: String(error) })
      return { outcomes: own.map(() => ({ outcome: 'unanswered' }) as const), clock: 0 }
    })
    clocks.push(answer.clock)
    for (const [index, { event }] of own.entries()) {
      const before = outcomes.get(event)
      const isKnown = before && before.outcome !== 'unanswered'
      outcomes.set(event, isKnown ? before : (answer.outcomes[index] ?? before ?? null))
    }
  })
  await Promise.all(asking)
  return { outcomes, clock: Math.max(...clocks) }
}

/** Keeps every SHARD_COUNT that a shard was told of. They only rise. */
export class KnownCounts {
  readonly #env: Env
  readonly #kept: ShardStore['shardCounts']
  #largest: number

  constructor(env: Env, kept: ShardStore['shardCounts']) {
    this.#env = env
    this.#kept = kept
    this.#largest = kept.all()[0] ?? 0
  }

  /** The largest count, or 0 while the shard was told of none. */
  get largest(): number {
    return this.#largest
  }

  /** Returns all counts, largest first. */
  all(): number[] {
    return this.#kept.all()
  }

  /** Keeps a count that is larger than any before. */
  raise(count: number): void {
    if (count <= this.#largest) return
    this.#kept.add(count)
    this.#largest = count
  }

  /**
   * Keeps a count in the first shard, which is told of every one. If it knows none yet, it asks the other shards first.
   * @returns all counts, largest first
   */
  async raiseTo(count: number): Promise<number[]> {
    // A shard that knows no count may be the first shard of an older inbox: then the others know the counts.
    const former = this.#largest === 0 ? await askFormerCounts(this.#env, count) : []
    for (const each of [...former.toSorted((a, b) => a - b), count]) this.raise(each)
    return this.all()
  }
}

/** Versions in which the first shard did not keep the counts yet always had this many shards. */
const SHARDS_BEFORE_COUNTS = 8

/** Asks the other shards for earlier counts. The first shard does so once in the life of an inbox. */
async function askFormerCounts(env: Env, count: number): Promise<number[]> {
  const others = Array.from({ length: Math.min(count, SHARDS_BEFORE_COUNTS) - 1 }, (_, index) =>
    env.SHARD.getByName(shardName(index + 1)),
  )
  const asked = others.map((shard) => withTimeout(shard.shardCounts(), ANSWER_TIMEOUT_MS))
  return (await Promise.all(asked)).flat()
}
