import { configurationOf, notConfigured } from '../shared/config'
import { readRows } from '../d1/reader'
import { log } from '../shared/log'
import { HttpError, unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'
import { allShards } from './shards'

/** Nobody needs a token to ask, so the answer stands for so long, whoever asks. */
const FRESH_MS = 5_000
const CHECK_TIMEOUT_MS = 2_000

/** Fails, in whatever words, where a table is not there. */
export const EACH_TABLE = `
  SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM dead_letters) OR EXISTS (SELECT 1 FROM fences)`

let last: { at: number; problem: HttpError | null } | undefined

/**
 * Resolves when the configuration is right, D1 has its tables, and a shard answers.
 * @throws HttpError 503 that says which does not
 */
export async function checkReadiness(env: Env): Promise<void> {
  const now = Date.now()
  if (!last || Math.abs(now - last.at) >= FRESH_MS) {
    // Who asks meanwhile is told what was so before.
    if (last) last.at = now
    last = { at: now, problem: await findProblem(env) }
  }
  if (last.problem) throw last.problem
}

async function findProblem(env: Env): Promise<HttpError | null> {
  if (configurationOf(env).mistakes.length > 0) return notConfigured()
  const [database, shard] = await Promise.allSettled([
    withTimeout(readRows(env.DB, EACH_TABLE, []), CHECK_TIMEOUT_MS),
    withTimeout(allShards(env), CHECK_TIMEOUT_MS),
  ])
  for (const [what, each] of [
    ['database', database],
    ['first shard', shard],
  ] as const) {
    if (each.status === 'fulfilled') continue
    const reason: unknown = each.reason
    if (reason instanceof HttpError && reason.code === 'NOT_CONFIGURED') return reason
    log('error', `the ${what} is not ready`, { error: String(reason) })
    return unavailable(`The ${what} does not answer.`)
  }
  return null
}
