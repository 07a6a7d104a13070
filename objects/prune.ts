import { configurationOf } from './config'
import { isoTime } from './event'
import { removeFromShards } from './shards'

const STEP = 1_000
/** What is left after so many steps is for the next cron run. */
const MAX_STEPS = 20
const DAY_MS = 24 * 60 * 60 * 1_000

// The index finds what is old enough to be looked at; only what was also delivered that long ago goes.
const EXPIRED = `
  SELECT event_id, created_at FROM events
  WHERE status = 'delivered' AND created_at < ?1 AND updated_at < ?1 AND (created_at, event_id) > (?2, ?3)
  ORDER BY created_at, event_id LIMIT ?4`

/** Removes events delivered more than RETENTION_DAYS ago, from their shards and so from D1. @returns how many */
export async function prune(env: Env, now: number): Promise<number> {
  const { retentionDays } = configurationOf(env)
  if (retentionDays === null) return 0
  const before = now - retentionDays * DAY_MS
  let pruned = 0
  let after = { created_at: '', event_id: '' }
  for (let step = 0; step < MAX_STEPS; step++) {
    const statement = env.DB.prepare(EXPIRED).bind(
      isoTime(before),
      after.created_at,
      after.event_id,
      STEP,
    )
    const { results } = await statement.all<typeof after>()
    const ids = results.map((row) => row.event_id)
    const removed = await removeFromShards(env, ids, before)
    pruned += removed.filter(Boolean).length
    after = results.at(-1) ?? after
    if (ids.length < STEP) break
  }
  return pruned
}
