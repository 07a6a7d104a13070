import { fnv1a } from '../../shared/hash'
import { SHARDS } from './world'

/** Which shard owns an id. */
export const shardOf = (id: string, shards = SHARDS): number => fnv1a(id) % shards

/** An id that a shard owns: the name, and a number behind it. */
export function idOf(shard: number, name: string, shards = SHARDS): string {
  for (let n = 0; ; n++) if (shardOf(`${name}-${n}`, shards) === shard) return `${name}-${n}`
}
