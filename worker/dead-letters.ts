import { readLetters } from '../d1/dead-letters'
import {
  countMatchingLetters,
  type LetterFilter,
  readLetterGroups,
  readMatchingLetters,
} from '../d1/letter-search'
import { cutReason, parseDeadLetter } from '../shared/dead-letter'
import { LIMITS } from '../shared/limits'
import { firstOf, log } from '../shared/log'
import type { Redriven } from '../shared/outcomes'
import { askMoves } from './actions'
import { parseRedrive, type Redrive } from './commands'
import { recordDeadLetters } from './dead-letter-log'
import { json, now } from './http/answers'
import { readText, requireJson } from './http/body'
import type { InboxRequest } from './http/middleware'
import { readParameters } from './http/parameters'
import { isFormer, shardSilent } from './http/silence'
import { DEFAULT_LIMIT } from './inbox-query'
import { isSubscriptionName, NAME_RULE } from './lease-commands'
import { totals } from './metrics'
import { allShards, type Shard } from './shards'

/**
 * Answers GET /dlq with the dead letters that D1 has, newest first: all, or those that match. `total` counts those of
 * the shards; with a filter, those that D1 has of the newest. With `group=reason` it answers with groups instead.
 */
export async function getDeadLetters(request: InboxRequest, env: Env): Promise<Response> {
  const names = ['limit', 'offset', 'reason', 'subscription', 'group']
  const read = readParameters(new URL(request.url).searchParams, names)
  const limit = read.integer('limit', DEFAULT_LIMIT, 1, LIMITS.PAGE_EVENTS)
  const offset = read.integer('offset', 0, 0, Number.MAX_SAFE_INTEGER)
  const isGrouped = read.choice('group', ['none', 'reason']) === 'reason'
  const reason = read.text('reason')
  const subscription = read.text('subscription')
  if (subscription && !isSubscriptionName(subscription)) read.complain('subscription', NAME_RULE)
  for (const name of ['limit', 'offset'])
    if (isGrouped && read.text(name) !== null) read.complain(name, 'cannot be given with group')
  read.done()
  const filter = { reason: reason === null ? null : cutReason(reason), subscription }
  if (isGrouped) return answerGroups(env, filter)
  if (reason === null && subscription === null) {
    const letters = readLetters(env.DB, limit, offset)
    const [data, { dlq_count }] = await Promise.all([letters, totals(env)])
    return json({ data, total: dlq_count, limit, offset, timestamp: now() })
  }
  const letters = readMatchingLetters(env.DB, filter, limit, offset)
  const [data, count] = await Promise.all([letters, countMatchingLetters(env.DB, filter)])
  return json({ data, ...count, limit, offset, timestamp: now() })
}

/** Answers with the reasons of the dead letters that match, and how many have each. */
async function answerGroups(env: Env, filter: LetterFilter): Promise<Response> {
  const [{ groups, reasons }, { complete }] = await Promise.all([
    readLetterGroups(env.DB, filter),
    countMatchingLetters(env.DB, filter),
  ])
  return json({ data: groups, total: reasons, complete, timestamp: now() })
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
      const step = await redrive(shard, wanted, by)
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

/** Has a shard redrive letters. @throws HttpError 503 when one subscription is named to a shard of the version before */
async function redrive(
  shard: Shard,
  wanted: Exclude<Redrive, { event_ids: string[] }>,
  by: string,
): Promise<Redriven> {
  if (wanted.reason === null || wanted.subscription === undefined)
    return shard.redrive(wanted.reason, by)
  return shard.redriveIn(wanted.subscription, wanted.reason, by).catch((error: unknown) => {
    throw isFormer(error) ? shardSilent('POST /dlq/retry') : error
  })
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
