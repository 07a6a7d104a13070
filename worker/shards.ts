import { configurationOf, needed, notConfigured } from '../shared/config'
import { log, logOnce } from '../shared/log'
import { ANSWER_TIMEOUT_MS, ownersOf, type ShardCounts, shardName } from '../shared/owners'
import { HttpError, unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'

/** Finds the shards that have events, from the worker's side; `owners.ts` says which those are. */

export type Shard = ReturnType<Env['SHARD']['getByName']>

export function shardNamed(env: Env, name: string): Shard {
  return env.SHARD.getByName(name)
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
