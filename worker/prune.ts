import { readDelivered } from '../d1/events'
import { configurationOf } from '../shared/config'
import { isoTime } from '../shared/event'
import { log } from '../shared/log'
import { ANSWER_TIMEOUT_MS, ownersOf, type ShardCounts } from '../shared/owners'
import { withTimeout } from '../shared/retry'
import { shardCountsOrPresent, shardNamed } from './shards'

/** One query of D1 reads this many rows. */
const PAGE_ROWS = 5_000
/** A step removes this many events in one transaction and one write to D1. They are few, as posts wait for both. */
const STEP_EVENTS = 250
/** A run ends before the next one begins: cron runs every 5 minutes. */
const MAX_RUN_MS = 4 * 60_000
/** A run begins no page after this many calls. An invocation may make 10,000; a page takes 2 a shard, and 2 a step. */
const MAX_CALLS = 9_000
const DAY_MS = 24 * 60 * 60 * 1_000

interface Run {
  env: Env
  /** Events delivered before this moment are removed. */
  before: number
  deadline: number
  counts: ShardCounts
  /** Shards that did not answer. Their events are left for another run. */
  silent: Set<string>
  calls: number
}

/**
 * Removes events delivered more than RETENTION_DAYS ago, for at most MAX_RUN_MS.
 * They go from their shards, and so from D1. Two runs at once are harmless: a shard removes each event once.
 * @returns how many it removed
 */
export async function prune(env: Env, now: number): Promise<number> {
  const { retentionDays } = configurationOf(env)
  if (retentionDays === null) return 0
  const before = now - retentionDays * DAY_MS
  const counts = await shardCountsOrPresent(env)
  const deadline = now + MAX_RUN_MS
  const run: Run = { env, before, deadline, counts, silent: new Set(), calls: 0 }
  let pruned = 0
  let after = { created_at: '', event_id: '' }
  while (Date.now() < deadline && run.calls < MAX_CALLS) {
    // readDelivered logs that D1 did not answer; what is left is for the next run.
    const rows = await readDelivered(env.DB, isoTime(before), after, PAGE_ROWS).catch(() => [])
    const expired = rows.filter(({ updated_at }) => updated_at < isoTime(before))
    pruned += await removeExpired(
      run,
      expired.map(({ event_id }) => event_id),
    )
    after = rows.at(-1) ?? after
    if (rows.length < PAGE_ROWS) break
  }
  return pruned
}

/** Removes events from the shards that may have them, from each at its own pace. @returns how many it removed */
async function removeExpired(run: Run, ids: string[]): Promise<number> {
  const owned = ids.flatMap((id) => ownersOf(id, run.counts).map((shard) => ({ shard, id })))
  const removing = [...Map.groupBy(owned, ({ shard }) => shard)].map(async ([shard, own]) => {
    let removed = 0
    for (let from = 0; from < own.length; from += STEP_EVENTS) {
      if (run.silent.has(shard) || Date.now() >= run.deadline) break
      const step = own.slice(from, from + STEP_EVENTS).map(({ id }) => id)
      removed += await removeStep(run, shard, step)
    }
    return removed
  })
  return (await Promise.all(removing)).reduce((sum, removed) => sum + removed, 0)
}

/**
 * Removes a few events from a shard, and waits until D1 was told.
 * Then it pauses for as long as that took, to leave the shard to others. @returns how many it removed
 */
async function removeStep(run: Run, name: string, ids: string[]): Promise<number> {
  const shard = shardNamed(run.env, name)
  const startedAt = Date.now()
  run.calls += 2
  let removed = 0
  try {
    removed = (await withTimeout(shard.remove(ids, run.before), ANSWER_TIMEOUT_MS)).length
    if (removed > 0) await withTimeout(shard.flush(), ANSWER_TIMEOUT_MS)
    await scheduler.wait(Math.min(ANSWER_TIMEOUT_MS, Date.now() - startedAt))
  } catch (error) {
    run.silent.add(name)
    log('error', 'a shard did not answer; its events are pruned another time', {
      shard: name,
      error: String(error),
    })
  }
  return removed
}
