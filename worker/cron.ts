import { reportMistakes } from './http/middleware'
import { ANSWER_TIMEOUT_MS } from '../shared/owners'
import { prune } from './prune'
import { log } from '../shared/log'
import { configuredShards } from './shards'
import { withTimeout } from '../shared/retry'
/** Cron: revives shards whose alarm went missing, and removes delivered events past their retention. */
export async function runMaintenance(_controller: ScheduledController, env: Env): Promise<void> {
  reportMistakes(env)
  const arming = configuredShards(env).map((shard) =>
    withTimeout(shard.ensureAlarm(), ANSWER_TIMEOUT_MS),
  )
  const poked = await Promise.allSettled(arming)
  for (const each of poked)
    if (each.status === 'rejected')
      log('error', 'a shard could not be poked', { error: String(each.reason) })
  const pruned = await prune(env, Date.now())
  if (pruned > 0) log('info', 'delivered events pruned', { pruned })
}
