import { checkTables } from '../d1/reader'
import { configurationOf, notConfigured } from '../shared/config'
import { log } from '../shared/log'
import { HttpError, unavailable } from '../shared/problem'
import { withTimeout } from '../shared/retry'
import { json, now } from './http/answers'
import type { InboxRequest } from './http/middleware'
import { readParameters } from './http/parameters'
import { allShards } from './shards'

/** One result serves everybody for this long: /health needs no token, so anybody may ask often. */
const FRESH_MS = 5_000
const CHECK_TIMEOUT_MS = 2_000

let last: { at: number; problem: HttpError | null } | undefined

/**
 * Resolves when the configuration is right, D1 has its tables, and the first shard answers.
 * @throws HttpError 503 that says which of them is wrong
 */
export async function checkReadiness(env: Env): Promise<void> {
  const at = Date.now()
  if (!last || Math.abs(at - last.at) >= FRESH_MS) {
    // Requests that come meanwhile get the result before.
    if (last) last.at = at
    last = { at, problem: await findProblem(env) }
  }
  if (last.problem) throw last.problem
}

async function findProblem(env: Env): Promise<HttpError | null> {
  const { mistakes, sources } = configurationOf(env)
  // A source that is wrong stops nothing else; GET /sources says which one it is.
  if (mistakes.length > sources.mistakes.length || sources.unreadable) return notConfigured()
  const [database, shard] = await Promise.allSettled([
    withTimeout(checkTables(env.DB), CHECK_TIMEOUT_MS),
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

/** Answers GET /health: 200 while the worker runs. With `ready=1` it is 503 unless all that it needs works as well. */
export async function getHealth(request: InboxRequest, env: Env): Promise<Response> {
  const read = readParameters(new URL(request.url).searchParams, ['ready'])
  const ready = read.choice('ready', ['0', '1'])
  read.done()
  if (ready === '1') await checkReadiness(env)
  return json({ status: 'ok', timestamp: now() })
}
