import { isoTime } from './event'
import { log } from './log'
import { allShards, askByShard } from './shards'

const STEP = 1_000
/** What is left after so many steps is for the next cron run. */
const MAX_STEPS = 20
const DAY_MS = 24 * 60 * 60 * 1_000

// The index finds what is old enough to be looked at; only what was also delivered that long ago goes.
const EXPIRED = `
  SELECT event_id FROM events
  WHERE status = 'delivered' AND created_at < ?1 AND updated_at < ?1
  ORDER BY created_at LIMIT ?2`

/** Removes events delivered more than RETENTION_DAYS ago, from their shards and so from D1. @returns how many */
export async function prune(env: Env, now: number): Promise<number> {
  const days = Number(env.RETENTION_DAYS)
  if (!(days >= 0)) {
    log('error', 'RETENTION_DAYS is not a number of days; nothing is pruned')
    return 0
  }
  const before = now - days * DAY_MS
  let pruned = 0
  for (let step = 0; step < MAX_STEPS; step++) {
    const { results } = await env.DB.prepare(EXPIRED)
      .bind(isoTime(before), STEP)
      .all<{ event_id: string }>()
    const ids = results.map((row) => row.event_id)
    const removed = await askByShard(env, ids, async (shard, own) => {
      const gone = new Set(await shard.remove(own, before))
      return own.map((id) => gone.has(id))
    })
    pruned += removed.filter(Boolean).length
    if (ids.length < STEP || !removed.includes(true)) break
    // So that the next step does not find the same ones.
    await Promise.all(allShards(env).map((shard) => shard.flush()))
  }
  return pruned
}
