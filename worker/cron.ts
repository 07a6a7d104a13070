import { reportMistakes } from './http/middleware'
import { ANSWER_TIMEOUT_MS } from '../shared/owners'
import { prune } from './prune'
import { log } from '../shared/log'
import { configuredShards } from './shards'
import { withTimeout } from '../shared/retry'

/** Arms alarms that went missing, and removes delivered events past their retention. Cron calls it. */
export async function runMaintenance(_controller: ScheduledController, env: Env): Promise<void> {
  reportMistakes(env)
  const arming = configuredShards(env).map((shard) =>
    withTimeout(shard.ensureAlarm(), ANSWER_TIMEOUT_MS),
  )
  const armed = await Promise.allSettled(arming)
  for (const each of armed)
    if (each.status === 'rejected')
      log('error', 'a shard did not answer; its alarm is checked another time', {
        error: String(each.reason),
      })
  const pruned = await prune(env, Date.now())
  if (pruned > 0) log('info', 'delivered events pruned', { pruned })
}
