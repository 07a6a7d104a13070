import { D1_TIMEOUT_MS } from './d1-writer'
import type { DeadLetterMessage } from './dead-letter'
import { log } from './log'
import { withTimeout } from './retry'
import { shardNamed } from './shards'

const RECORD = `
  INSERT INTO dead_letters (event_id, shard, reason, retry_count, correlation_id, failed_at)
  SELECT value ->> 'event_id', value ->> 'shard', value ->> 'reason', value ->> 'retry_count', value ->> 'correlation_id', value ->> 'failed_at'
  FROM json_each(?) WHERE true
  ON CONFLICT (event_id) DO UPDATE SET shard = excluded.shard, reason = excluded.reason, retry_count = excluded.retry_count,
    correlation_id = excluded.correlation_id, failed_at = excluded.failed_at
  WHERE excluded.failed_at > dead_letters.failed_at`

const WITHDRAW = `
  DELETE FROM dead_letters WHERE (event_id, failed_at) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))`

/**
 * Consumes the dead letter queue: one row in D1 and one log line a letter. A message may come twice, late, or after its event
 * was redriven: so the rows are written first, then each shard is asked which of them still stand, and the others go.
 * A redrive that comes after the answer deletes its row itself. @throws when D1 or a shard does not answer; nothing is lost by repeating
 */
export async function recordDeadLetters(env: Env, letters: DeadLetterMessage[]): Promise<void> {
  // Without payload and metadata: a parameter may have 2 MB.
  const rows = letters.map(
    ({ event_id, shard, reason, retry_count, correlation_id, failed_at }) => ({
      event_id,
      shard,
      reason,
      retry_count,
      correlation_id,
      failed_at,
    }),
  )
  await env.DB.prepare(RECORD).bind(JSON.stringify(rows)).run()
  const withdrawn: DeadLetterMessage[] = []
  for (const [shard, own] of Map.groupBy(letters, (letter) => letter.shard)) {
    const failures = own.map(({ event_id, failed_at }) => ({
      event_id,
      failed_at: Date.parse(failed_at),
    }))
    const standing = await shardNamed(env, shard).recorded(failures)
    withdrawn.push(...own.filter((_, index) => !standing[index]))
  }
  if (withdrawn.length > 0) await withdraw(env, withdrawn)
  for (const { event_id, shard, reason, retry_count, correlation_id, failed_at } of letters) {
    log('error', 'event failed', {
      correlation_id,
      event_id,
      shard,
      reason,
      retry_count,
      failed_at,
    })
  }
}

/** Takes letters that do not stand any more out of D1; never the letter of another failure of the same event. */
export async function withdraw(
  env: Env,
  letters: Pick<DeadLetterMessage, 'event_id' | 'failed_at'>[],
): Promise<void> {
  const keys = letters.map(({ event_id, failed_at }) => [event_id, failed_at])
  await withTimeout(env.DB.prepare(WITHDRAW).bind(JSON.stringify(keys)).run(), D1_TIMEOUT_MS)
}
