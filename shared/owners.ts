import { fnv1a } from './hash'

/**
 * This module says which shard has an event: the one that the hash of its id names. When SHARD_COUNT is raised, new
 * events go where the new count says and old ones stay where they are. A caller that does not find an event in its
 * present owner asks the former ones.
 */

/** SHARD_COUNT and its values before it was raised. The present one, which is the largest, comes first. */
export type ShardCounts = [present: number, ...former: number[]]

/** A call waits this long for a shard that can answer from its own storage. */
export const ANSWER_TIMEOUT_MS = 5_000

export function shardName(index: number): string {
  return `shard-${index}`
}

/** Names the shards that own the id, the present one first. It hashes the id (FNV-1a), so equal ids always meet. */
export function ownersOf(eventId: string, counts: ShardCounts): string[] {
  const hash = fnv1a(eventId)
  return [...new Set(counts.map((count) => shardName(hash % count)))]
}
