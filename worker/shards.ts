import { configurationOf, needed, notConfigured } from '../shared/config'
import { log, logOnce } from '../shared/log'
import type { WithShardCounts } from '../shared/outcomes'
import { ANSWER_TIMEOUT_MS, ownersOf, type ShardCounts, shardName } from '../shared/owners'
import { HttpError, unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'
import { isPassing } from './http/silence'

/** This module asks shards for the worker; `owners.ts` says which shard owns which id. */

export type Shard = ReturnType<Env['SHARD']['getByName']>

export function shardNamed(env: Env, name: string): Shard {
  return env.SHARD.getByName(name)
}

/** Returns the shards that SHARD_COUNT names, whether or not the first one answers. */
export function configuredShards(env: Env): Shard[] {
  return Array.from({ length: configuredCount(env) }, (_, index) =>
    shardNamed(env, shardName(index)),
  )
}

/** Returns the shards that may have events, by their index. @throws HttpError 503 as allShards does */
export async function claimableShards(env: Env): Promise<Shard[]> {
  const [count] = await shardCounts(env)
  return Array.from({ length: count }, (_, index) => shardNamed(env, shardName(index)))
}

/** Returns all shards, for work that takes many calls. @throws HttpError 503 for a SHARD_COUNT smaller than it was */
export async function allShards(env: Env): Promise<Shard[]> {
  await fetchShardCounts(env)
  return configuredShards(env)
}

/**
 * Asks every shard once, in parallel. The first one, which keeps SHARD_COUNT for all, checks it in the same call.
 * @param ask passes `count` on to the shard
 * @returns one answer a shard, in their order
 * @throws HttpError 503 when one does not answer, and for a SHARD_COUNT smaller than it was
 * @example const flushed = await askAllShards(env, (shard, count) => shard.flush(count))
 */
export async function askAllShards<Answer>(
  env: Env,
  ask: (shard: Shard, count?: number) => Promise<WithShardCounts<Answer>>,
): Promise<Answer[]> {
  const configured = env.SHARD_COUNT
  const count = configuredCount(env)
  const asked = configuredShards(env).map((shard, index) =>
    answerOf(index === 0 ? ask(shard, count) : ask(shard)),
  )
  const answers = await Promise.all(asked)
  const raised = answers[0]?.shard_counts
  // A first shard of the version before does not add them.
  if (raised) keepShardCounts(configured, count, raised)
  else await fetchShardCounts(env)
  return answers
}

/**
 * Asks the present owner of each item. Each shard is asked once for all of its items.
 * @returns one result an item, in their order
 */
export async function askOwners<Item extends { event_id: string }, Result>(
  env: Env,
  items: Item[],
  ask: (shard: Shard, own: Item[], counts: ShardCounts) => Promise<Result[]>,
): Promise<(Result | undefined)[]> {
  const counts = await shardCounts(env)
  return askEach(
    env,
    items,
    ({ event_id }) => ownersOf(event_id, counts)[0] ?? '',
    (shard, own) => ask(shard, own, counts),
  )
}

/**
 * Looks for events in the shards that own their ids.
 * An id that its present owner does not have is looked for in the shards that owned it before.
 * @param ask answers null for an id that the shard does not have
 * @param unanswered is the result of an id that could not be looked for everywhere while others were found
 * @returns one result an id, in their order; null for an id that no shard has
 * @example const [held] = await findInShards(env, [id], async (shard) => [await shard.get(id)])
 */
export async function findInShards<Result>(
  env: Env,
  ids: string[],
  ask: (shard: Shard, own: string[]) => Promise<(Result | null)[]>,
  unanswered?: Result,
): Promise<(Result | null)[]> {
  const counts = await shardCounts(env)
  const results: (Result | null)[] = ids.map(() => null)
  const looked = ids.map((id, index) => ({ id, index, owners: ownersOf(id, counts) }))
  for (let turn = 0, open = looked; open.length > 0; turn++) {
    const found = await askEach(
      env,
      open,
      ({ owners }) => owners[turn] ?? '',
      (shard, own) =>
        ask(
          shard,
          own.map(({ id }) => id),
        ),
    )
    for (const [at, { index }] of open.entries()) results[index] = found[at] ?? null
    open = open.filter(({ index, owners }) => turn + 1 < owners.length && results[index] === null)
  }
  const unknown = looked.filter(({ index }) => results[index] === null)
  if (unknown.length === 0) return results
  // This worker may not have heard of a larger SHARD_COUNT. The first shard says so before ids are called unknown.
  try {
    await fetchShardCounts(env)
  } catch (error) {
    // The answer must still tell what was done with the others.
    if (unanswered === undefined || unknown.length === ids.length) throw error
    for (const { index } of unknown) results[index] = unanswered
  }
  return results
}

/** Asks each item's shard once for all of its own, in parallel. */
async function askEach<Item, Result>(
  env: Env,
  items: Item[],
  shardOf: (item: Item) => string,
  ask: (shard: Shard, own: Item[]) => Promise<Result[]>,
): Promise<(Result | undefined)[]> {
  const results: (Result | undefined)[] = []
  const placed = items.map((item, index) => ({ item, index, name: shardOf(item) }))
  const asking = [...Map.groupBy(placed, ({ name }) => name)].map(async ([name, own]) => {
    const answers = await ask(
      shardNamed(env, name),
      own.map(({ item }) => item),
    )
    for (const [at, { index }] of own.entries()) results[index] = answers[at]
  })
  await Promise.all(asking)
  return results
}

// The counts are fetched once, and again when the variable changes.
let known: { configured: string; counts: ShardCounts } | undefined

async function shardCounts(env: Env): Promise<ShardCounts> {
  return known?.configured === env.SHARD_COUNT ? known.counts : fetchShardCounts(env)
}

/** Returns the counts, or SHARD_COUNT alone when the first shard does not say what it was before. */
export async function shardCountsOrPresent(env: Env): Promise<ShardCounts> {
  return shardCounts(env).catch(() => [configuredCount(env)])
}

/**
 * Asks the first shard, which keeps the counts for all.
 * @throws HttpError 503 when it does not answer, and for a SHARD_COUNT smaller than it was
 */
async function fetchShardCounts(env: Env): Promise<ShardCounts> {
  const configured = env.SHARD_COUNT
  const count = configuredCount(env)
  const raised = await answerOf(shardNamed(env, shardName(0)).noteShardCount(count))
  return keepShardCounts(configured, count, raised)
}

/** Keeps the counts. @throws HttpError 503 for a SHARD_COUNT smaller than it was: then events would not be found */
function keepShardCounts(configured: string, count: number, raised: number[]): ShardCounts {
  const [largest = count, ...former] = raised
  if (largest > count) {
    logOnce('error', 'SHARD_COUNT was lowered; it can only be raised', { count, was: largest })
    throw notConfigured()
  }
  known = { configured, counts: [largest, ...former] }
  return known.counts
}

/** Waits for a shard's answer, for ANSWER_TIMEOUT_MS. @throws what the shard throws, and a TimeoutError */
export function askShard<Answer>(asked: Promise<Answer>): Promise<Answer> {
  return withTimeout(asked, ANSWER_TIMEOUT_MS)
}

/** Waits for a shard's answer. @throws HttpError 503 when it does not answer, or not in time */
async function answerOf<Answer>(asked: Promise<Answer>): Promise<Answer> {
  return askShard(asked).catch((error: unknown) => {
    if (!isPassing(error)) throw error
    log('error', 'a shard did not answer', { error: String(error) })
    throw unavailable('A shard did not answer. Send the request again.')
  })
}

/** Asks the first shard about SHARD_COUNT. @returns the 503 to answer when it is wrong or was lowered, else null */
export async function findMisconfiguration(env: Env): Promise<HttpError | null> {
  try {
    await fetchShardCounts(env)
  } catch (error) {
    if (error instanceof HttpError && error.code === 'NOT_CONFIGURED') return error
  }
  return null
}

function configuredCount(env: Env): number {
  return needed(configurationOf(env).shardCount)
}
