import { configurationOf, needed, notConfigured } from './config'
import type { NewEvent } from './event'
import type { AcceptOutcome, EventShard } from './event-shard'
import { fnv1a } from './hash'
import { log, logOnce } from './log'
import { HttpError, unavailable } from './problem'
import { withTimeout } from './retry'

/**
 * Which shard has an event: the one that its id's hash names. When SHARD_COUNT is raised, new events go where the new count says and
 * old ones stay where they are: whoever does not find an event in its present owner asks the former ones.
 */

export type Shard = DurableObjectStub<EventShard>

/** For what a shard knows without asking anybody. */
export const ANSWER_TIMEOUT_MS = 5_000

export function shardNamed(env: Env, name: string): Shard {
  return env.SHARD.getByName(name)
}

export function shardName(index: number): string {
  return `shard-${index}`
}

/** All there are, also when another worker has just raised SHARD_COUNT: then this one throws. */
export async function allShards(env: Env): Promise<Shard[]> {
  const [count] = await askShardCounts(env)
  return shardsUpTo(env, count)
}

/** Those that SHARD_COUNT names, whether or not the first one answers. */
export function configuredShards(env: Env): Shard[] {
  return shardsUpTo(env, configuredCount(env))
}

function shardsUpTo(env: Env, count: number): Shard[] {
  return Array.from({ length: count }, (_, index) => shardNamed(env, shardName(index)))
}

/** The names of the shards that own the id, the present one first: FNV-1a of the id, so that equal ids always meet. */
export function ownersOf(eventId: string, counts: ShardCounts): string[] {
  const hash = fnv1a(eventId)
  return [...new Set(counts.map((count) => shardName(hash % count)))]
}

/**
 * Asks each shard once, in parallel, for all of its items; what `isUnknown` there is asked of the shards that owned it before.
 * @param unanswered stands for what nobody could say of an item while others are done
 * @returns one result an item, in their order
 */
export async function askByShard<Item, Result>(
  env: Env,
  items: Item[],
  idOf: (item: Item) => string,
  ask: (shard: Shard, own: Item[], counts: ShardCounts) => Promise<Result[]>,
  isUnknown: (result: Result | undefined) => boolean = () => false,
  unanswered?: Result,
): Promise<Result[]> {
  const counts = await shardCounts(env)
  const results: Result[] = []
  const asked = items.map((item, index) => ({ item, index, owners: ownersOf(idOf(item), counts) }))
  for (let turn = 0, open = asked; open.length > 0; turn++) {
    const groups = [...Map.groupBy(open, ({ owners }) => owners[turn] ?? '')]
    const asking = groups.map(async ([name, own]) => {
      const shard = shardNamed(env, name)
      const answers = await ask(
        shard,
        own.map(({ item }) => item),
        counts,
      )
      for (const [at, { index }] of own.entries()) {
        const result = answers[at]
        if (result !== undefined) results[index] = result
      }
    })
    await Promise.all(asking)
    open = open.filter(({ index, owners }) => turn + 1 < owners.length && isUnknown(results[index]))
  }
  const unknown = asked.filter(({ index }) => isUnknown(results[index]))
  if (unknown.length === 0) return results
  // Where none has it, this may be a worker that has not heard of more.
  try {
    await askShardCounts(env)
  } catch (error) {
    // What was done with the others must be told.
    if (unanswered === undefined || unknown.length === asked.length) throw error
    for (const { index } of unknown) results[index] = unanswered
  }
  return results
}

/** What former owners say of events, null for what is new to them; events that nobody had to be asked about are not in it. */
export type FormerOutcomes = Map<NewEvent, AcceptOutcome | null>

/** Takes these ids over from the shards that owned them under smaller counts. Ids that the service made are new everywhere. @returns also a clock later than all that was done with them */
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
    const asked = shardNamed(env, name).handOver(ids, counts[0])
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

/** SHARD_COUNT, and what it was before it was raised: the present one, which is the largest, first. */
export type ShardCounts = [present: number, ...former: number[]]

// Asked once for as long as the variable stays the same.
let known: { configured: string; counts: ShardCounts } | undefined

async function shardCounts(env: Env): Promise<ShardCounts> {
  return known?.configured === env.SHARD_COUNT ? known.counts : askShardCounts(env)
}

/** SHARD_COUNT alone, when the first shard does not say what it was before. */
export async function shardCountsOrPresent(env: Env): Promise<ShardCounts> {
  return shardCounts(env).catch(() => [configuredCount(env)])
}

/** The first shard keeps them for all. @throws HttpError 503 for a SHARD_COUNT that is none, or smaller than before: then events would not be found */
async function askShardCounts(env: Env): Promise<ShardCounts> {
  const configured = env.SHARD_COUNT
  const count = configuredCount(env)
  const asked = shardNamed(env, shardName(0)).noteShardCount(count)
  const noted = await withTimeout(asked, ANSWER_TIMEOUT_MS).catch((error: unknown) => {
    log('error', 'the first shard did not answer', { error: String(error) })
    throw unavailable('A shard did not answer. Send the request again.')
  })
  const [largest = count, ...former] = noted
  if (largest > count) {
    logOnce('error', 'SHARD_COUNT was lowered; it can only be raised', { count, was: largest })
    throw notConfigured()
  }
  const counts: ShardCounts = [largest, ...former]
  known = { configured, counts }
  return counts
}

/** Before the first shard kept the counts, there were so many shards. */
const SHARDS_BEFORE_COUNTS = 8

/** What the other shards know of earlier counts: asked once in the life of an inbox, by its first shard. */
export async function askFormerCounts(env: Env, count: number): Promise<number[]> {
  const others = shardsUpTo(env, Math.min(count, SHARDS_BEFORE_COUNTS)).slice(1)
  const asked = others.map((shard) => withTimeout(shard.shardCounts(), ANSWER_TIMEOUT_MS))
  return (await Promise.all(asked)).flat()
}

/** The answer to a worker whose SHARD_COUNT is none, or none any more, as the first shard knows it; null when it does not say so. */
export async function findMisconfiguration(env: Env): Promise<HttpError | null> {
  try {
    await askShardCounts(env)
  } catch (error) {
    if (error instanceof HttpError && error.code === 'NOT_CONFIGURED') return error
  }
  return null
}

function configuredCount(env: Env): number {
  return needed(configurationOf(env).shardCount)
}
