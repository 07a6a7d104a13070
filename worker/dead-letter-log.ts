import { D1_TIMEOUT_MS } from '../d1/writer'
import type { DeadLetterMessage } from '../shared/dead-letter'
import { log } from '../shared/log'
import { withTimeout } from '../shared/retry'
import { ANSWER_TIMEOUT_MS } from '../shared/owners'
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
 * A redrive that comes after the answer deletes its row itself.
 * @returns those whose shard did not answer: they must come again @throws when D1 does not answer; nothing is lost by repeating
 */
export async function recordDeadLetters(
  env: Env,
  letters: DeadLetterMessage[],
): Promise<Set<DeadLetterMessage>> {
  // One parameter, which may have 2 MB: 100 letters have 0.7 MB at most.
  await write(env, RECORD, letters)
  const byShard = [...Map.groupBy(letters, (letter) => letter.shard)]
  const answers = byShard.map(([shard, own]) => askStanding(env, shard, own))
  const standing = new Map((await Promise.all(answers)).flat())
  const withdrawn = letters.filter((letter) => standing.get(letter) === false)
  if (withdrawn.length > 0) await withdraw(env, withdrawn)
  for (const letter of standing.keys()) log('error', 'event failed', { ...letter })
  log('info', 'dead letters taken', {
    recorded: standing.size - withdrawn.length,
    withdrawn: withdrawn.length,
  })
  return new Set(letters.filter((letter) => !standing.has(letter)))
}

/** Takes letters that do not stand any more out of D1; never the letter of another failure of the same event. */
export async function withdraw(
  env: Env,
  letters: Pick<DeadLetterMessage, 'event_id' | 'failed_at'>[],
): Promise<void> {
  const keys = letters.map(({ event_id, failed_at }) => [event_id, failed_at])
  await write(env, WITHDRAW, keys)
}

/** Asks a shard which of its letters still stand. @returns nothing when it does not answer */
async function askStanding(
  env: Env,
  shard: string,
  letters: DeadLetterMessage[],
): Promise<[letter: DeadLetterMessage, stands: boolean][]> {
  const failures = letters.map(({ event_id, failed_at }) => ({
    event_id,
    failed_at: Date.parse(failed_at),
  }))
  try {
    const asked = shardNamed(env, shard).recorded(failures)
    const standing = await withTimeout(asked, ANSWER_TIMEOUT_MS)
    return letters.map((letter, index) => [letter, standing[index] ?? false])
  } catch (error) {
    log('error', 'a shard did not answer', { shard, error: String(error), letters: letters.length })
    return []
  }
}

async function write(env: Env, sql: string, values: unknown[]): Promise<void> {
  const statement = env.DB.prepare(sql).bind(JSON.stringify(values))
  await withTimeout(statement.run(), D1_TIMEOUT_MS)
}
