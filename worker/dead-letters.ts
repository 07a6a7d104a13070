import { readLetters } from '../d1/dead-letters'
import { parseDeadLetter } from '../shared/dead-letter'
import { LIMITS } from '../shared/limits'
import { firstOf, log } from '../shared/log'
import { askMoves } from './actions'
import { parseRedrive } from './commands'
import { recordDeadLetters } from './dead-letter-log'
import { json, now } from './http/answers'
import { readText, requireJson } from './http/body'
import type { InboxRequest } from './http/middleware'
import { readParameters } from './http/parameters'
import { shardSilent } from './http/silence'
import { DEFAULT_LIMIT } from './inbox-query'
import { totals } from './metrics'
import { allShards } from './shards'

/** Answers GET /dlq with the dead letters that D1 has, newest first. `total` counts those of the shards. */
export async function getDeadLetters(request: InboxRequest, env: Env): Promise<Response> {
  const read = readParameters(new URL(request.url).searchParams, ['limit', 'offset'])
  const limit = read.integer('limit', DEFAULT_LIMIT, 1, LIMITS.PAGE_EVENTS)
  const offset = read.integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  read.done()
  const [data, { dlq_count }] = await Promise.all([readLetters(env.DB, limit, offset), totals(env)])
  return json({ data, total: dlq_count, limit, offset, timestamp: now() })
}

/** Answers POST /dlq/retry: makes dead letters pending again, by ids, by reason, or all. It says how many. */
export async function postRedrive(request: InboxRequest, env: Env): Promise<Response> {
  requireJson(request)
  const by = request.caller?.name ?? ''
  const wanted = parseRedrive(await readText(request, LIMITS.COMMAND_BYTES))
  if ('event_ids' in wanted) {
    request.facts = firstOf('event_ids', wanted.event_ids)
    const outcomes = await askMoves(env, wanted.event_ids, (shard, own) => shard.retry(own, { by }))
    if (outcomes.some((each) => each?.outcome === 'unanswered'))
      throw shardSilent('POST /dlq/retry')
    const redriven = outcomes.filter((each) => each?.outcome === 'moved').length
    return json({ data: { redriven, skipped: outcomes.length - redriven }, timestamp: now() })
  }
  const ids: string[] = []
  const counts = (await allShards(env)).map(async (shard) => {
    let redriven = 0
    for (;;) {
      const step = await shard.redrive(wanted.reason, by)
      redriven += step.redriven
      ids.push(...(step.event_ids ?? []))
      if (!step.more || step.redriven === 0) return redriven
    }
  })
  // All shards are waited for even if one fails, so that nothing goes on after the answer.
  await Promise.allSettled(counts)
  const redriven = (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  request.facts = firstOf('event_ids', ids, redriven)
  return json({ data: { redriven, skipped: 0 }, timestamp: now() })
}

/** Takes dead letters from the queue. Those that could not be recorded come again, later and later. */
export async function takeDeadLetters(batch: MessageBatch<string>, env: Env): Promise<void> {
  const letters = batch.messages.flatMap((message) => {
    const letter = parseDeadLetter(message.body)
    return letter ? [{ message, letter }] : []
  })
  let open = new Set(letters.map(({ letter }) => letter))
  try {
    open = await recordDeadLetters(env, [...open])
  } catch (error) {
    log('error', 'D1 did not take dead letters', { error: String(error) })
  }
  if (open.size > 0)
    log('warn', 'dead letters could not be recorded; the queue brings them again', {
      letters: open.size,
    })
  for (const { message, letter } of letters)
    if (open.has(letter)) message.retry({ delaySeconds: Math.min(300, 5 * message.attempts) })
}
