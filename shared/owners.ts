import { fnv1a } from './hash'

/**
 * Which shard has an event: the one that its id's hash names. When SHARD_COUNT is raised, new events go where the new
 * count says and old ones stay where they are: whoever does not find an event in its present owner asks the former ones.
 */

/** SHARD_COUNT, and what it was before it was raised: the present one, which is the largest, first. */
export type ShardCounts = [present: number, ...former: number[]]

/** For what a shard knows without asking anybody. */
export const ANSWER_TIMEOUT_MS = 5_000

export function shardName(index: number): string {
  return `shard-${index}`
}

/** The names of the shards that own the id, the present one first: FNV-1a of the id, so that equal ids always meet. */
export function ownersOf(eventId: string, counts: ShardCounts): string[] {
  const hash = fnv1a(eventId)
  return [...new Set(counts.map((count) => shardName(hash % count)))]
}
