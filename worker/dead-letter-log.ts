import { recordLetters, withdrawLetters } from '../d1/dead-letters'
import type { DeadLetterMessage } from '../shared/dead-letter'
import { INBOX } from '../shared/event'
import { log } from '../shared/log'
import { withTimeout } from '../shared/retry'
import { ANSWER_TIMEOUT_MS } from '../shared/owners'
import { shardNamed } from './shards'

/**
 * Records dead letters from the queue: one row in D1 and one log line a letter.
 * A message may come twice, late, or after its event was redriven. So the rows are written first, then each shard is
 * asked which of them still stand, and the others are removed. A redrive after the shard's answer deletes the row
 * itself.
 * @returns the letters whose shard did not answer: they must come again
 * @throws when D1 does not answer; repeating the call is safe
 */
export async function recordDeadLetters(
  env: Env,
  letters: DeadLetterMessage[],
): Promise<Set<DeadLetterMessage>> {
  await recordLetters(env.DB, letters)
  const byShard = [...Map.groupBy(letters, (letter) => letter.shard)]
  const answers = byShard.map(([shard, own]) => askStanding(env, shard, own))
  const standing = new Map((await Promise.all(answers)).flat())
  const withdrawn = letters.filter((letter) => standing.get(letter) === false)
  if (withdrawn.length > 0) await withdrawLetters(env.DB, withdrawn)
  for (const letter of standing.keys())
    log('error', 'event failed', { ...letter, subscription: letter.subscription ?? INBOX })
  log('info', 'dead letters taken', {
    recorded: standing.size - withdrawn.length,
    withdrawn: withdrawn.length,
  })
  return new Set(letters.filter((letter) => !standing.has(letter)))
}

/** Asks a shard which of its letters still stand. @returns an empty list when it does not answer */
async function askStanding(
  env: Env,
  shard: string,
  letters: DeadLetterMessage[],
): Promise<[letter: DeadLetterMessage, stands: boolean][]> {
  const failures = letters.map(({ event_id, subscription = null, failed_at }) => ({
    event_id,
    subscription,
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
