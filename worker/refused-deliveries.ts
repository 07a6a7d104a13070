import type { Shard } from './shards'

/**
 * This module counts refused deliveries in the isolate's memory, so that a flood of them costs no rows.
 * A shard is told with the next delivery that is accepted, or else at most once a minute for each source. What an
 * isolate has not told when it ends is lost.
 */

const TELL_EVERY_MS = 60_000

const counts = new Map<string, number>()
/** When a shard was last told of a source's without an accepted delivery. */
const toldAt = new Map<string, number>()

/** What is counted and not told yet, by source. */
export function untoldRefusals(): ReadonlyMap<string, number> {
  return counts
}

/** Counts a refused delivery, and tells the shard unless it was told within the last minute. */
export async function countRefusal(source: string, shard: Shard, now = Date.now()): Promise<void> {
  counts.set(source, (counts.get(source) ?? 0) + 1)
  if (Math.abs(now - (toldAt.get(source) ?? -Infinity)) < TELL_EVERY_MS) return
  toldAt.set(source, now)
  const refused = takeRefusals()
  try {
    await shard.countRefused(refused ?? {})
  } catch (error) {
    putBackRefusals(refused)
    throw error
  }
}

/** Takes all that is counted, to be told; undefined for nothing. */
export function takeRefusals(): Record<string, number> | undefined {
  const taken = counts.size > 0 ? Object.fromEntries(counts) : undefined
  counts.clear()
  return taken
}

/** Keeps what could not be told. A shard whose answer was lost may have counted it already. */
export function putBackRefusals(refused: Record<string, number> | undefined): void {
  for (const [source, count] of Object.entries(refused ?? {}))
    counts.set(source, (counts.get(source) ?? 0) + count)
}
