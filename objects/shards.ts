import type { EventShard } from './event-shard'
import { fnv1a } from './hash'
import { log } from './log'
import { HttpError } from './problem'

type Shard = DurableObjectStub<EventShard>

/** The shard that owns the event: FNV-1a of its id, so that equal ids always meet. */
export function shardOf(env: Env, eventId: string): Shard {
  return shardNamed(env, ownerOf(env, eventId))
}

export function allShards(env: Env): Shard[] {
  return Array.from({ length: shardCount(env) }, (_, index) => shardNamed(env, shardName(index)))
}

export function shardName(index: number): string {
  return `shard-${index}`
}

export function shardNamed(env: Env, name: string): Shard {
  return env.SHARD.getByName(name)
}

/** Asks each shard once, in parallel, for all of its items. @returns one result an item, in their order */
export async function askByShard<Item, Result>(
  env: Env,
  items: Item[],
  idOf: (item: Item) => string,
  ask: (shard: Shard, own: Item[]) => Promise<Result[]>,
): Promise<Result[]> {
  const [only] = items
  if (only !== undefined && items.length === 1) return ask(shardOf(env, idOf(only)), items)
  const results: Result[] = []
  const groups = Map.groupBy(items.entries(), ([, item]) => ownerOf(env, idOf(item)))
  const asked = [...groups].map(async ([name, entries]) => {
    const own = await ask(
      shardNamed(env, name),
      entries.map(([, item]) => item),
    )
    for (const [at, [index]] of entries.entries()) {
      const result = own[at]
      if (result !== undefined) results[index] = result
    }
  })
  await Promise.all(asked)
  return results
}

function ownerOf(env: Env, eventId: string): string {
  return shardName(fnv1a(eventId) % shardCount(env))
}

function shardCount(env: Env): number {
  const count = Number(env.SHARD_COUNT)
  if (Number.isInteger(count) && count >= 1 && count <= 256) return count
  log('error', 'SHARD_COUNT is not a whole number from 1 to 256')
  throw new HttpError(
    503,
    'NOT_CONFIGURED',
    'The service is not configured correctly. Its log says why.',
  )
}
