import type { IRequestStrict, RequestHandler } from 'itty-router'
import { LIMITS } from './limits'
import { log } from './log'
import { HttpError } from './problem'
import { findToken, type Scope, type Token } from './tokens'

/** What every request passes before its handler, and every answer after it. */

export type InboxRequest = IRequestStrict & {
  correlationId: string
  caller: Token
  startedAt: number
  eventId?: string | undefined
}

export type Handler = RequestHandler<InboxRequest, [env: Env, ctx: ExecutionContext]>

/** Takes the request's X-Correlation-ID, or makes one. */
export function correlate(request: InboxRequest): void {
  request.startedAt = Date.now()
  const given = request.headers.get('X-Correlation-ID') ?? ''
  request.correlationId = /^[\w.:-]{1,128}$/.test(given) ? given : crypto.randomUUID()
}

/** @throws HttpError 414 or 431 for what is longer than any honest request */
export function limitSize({ url, headers }: InboxRequest): void {
  if (url.length > LIMITS.URL_LENGTH)
    throw new HttpError(
      414,
      'URI_TOO_LONG',
      `The URL is longer than ${LIMITS.URL_LENGTH} characters.`,
    )
  let size = 0
  headers.forEach((value, name) => (size += name.length + value.length))
  if (size > LIMITS.HEADER_BYTES)
    throw new HttpError(
      431,
      'HEADERS_TOO_LARGE',
      `The headers are larger than ${LIMITS.HEADER_BYTES} bytes.`,
    )
}

export function authenticate(request: InboxRequest, env: Env): void {
  const presented = /^Bearer +([\x21-\x7e]+) *$/i.exec(
    request.headers.get('Authorization') ?? '',
  )?.[1]
  const caller = presented && configuredToken(env, presented)
  if (!caller) {
    const detail = presented
      ? 'The bearer token is not known.'
      : 'Send a token: "Authorization: Bearer <token>".'
    const challenge = presented ? 'Bearer error="invalid_token"' : 'Bearer'
    throw new HttpError(401, 'UNAUTHORIZED', detail, { headers: { 'WWW-Authenticate': challenge } })
  }
  request.caller = caller
}

/** Per token, by the platform's rate limiting binding; without one there is no limit. @throws HttpError 429 */
export async function limitRate({ caller }: InboxRequest, env: Env): Promise<void> {
  if (!env.RATE_LIMIT || (await env.RATE_LIMIT.limit({ key: caller.name })).success) return
  throw new HttpError(
    429,
    'RATE_LIMITED',
    'Too many requests with this token. Wait, then send fewer at a time.',
    { headers: { 'Retry-After': '10' } },
  )
}

function configuredToken(env: Env, presented: string): Token | null {
  try {
    return findToken(env.API_TOKENS, presented)
  } catch (error) {
    log('error', 'the API_TOKENS secret is malformed', { error: String(error) })
    throw new HttpError(
      503,
      'NOT_CONFIGURED',
      'The service is not configured correctly. Its log says why.',
    )
  }
}

/** Lets only tokens with the scope through. */
export function allow(scope: Scope): Handler {
  return ({ caller }) => {
    if (caller.scopes.includes(scope)) return
    const headers = { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` }
    throw new HttpError(
      403,
      'INSUFFICIENT_SCOPE',
      `This needs a token with the scope "${scope}".`,
      { headers },
    )
  }
}

const CORS_HEADERS = {
  'Access-Control-Allow-Methods': 'GET, POST, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key, X-Correlation-ID',
  'Access-Control-Max-Age': '86400',
}

/** Answers a browser's question whether it may ask; no token is needed for that. */
export function preflight(request: InboxRequest): Response | undefined {
  const asks = request.method === 'OPTIONS' && request.headers.has('Access-Control-Request-Method')
  return asks ? new Response(null, { status: 204, headers: CORS_HEADERS }) : undefined
}

/** Lets pages of ALLOWED_ORIGINS (`*`, or a list separated by commas) read the answer. Tokens are sent by hand, cookies never. */
export function allowOrigin(response: Response, request: InboxRequest, env: Env): void {
  const origin = request.headers.get('Origin')
  if (!origin) return
  const allowed = env.ALLOWED_ORIGINS.split(',').map((each) => each.trim())
  response.headers.append('Vary', 'Origin')
  if (!allowed.includes('*') && !allowed.includes(origin)) return
  response.headers.set('Access-Control-Allow-Origin', allowed.includes('*') ? '*' : origin)
  response.headers.set(
    'Access-Control-Expose-Headers',
    'X-Correlation-ID, Idempotency-Replayed, Retry-After, Allow',
  )
}

const QUIET_METHODS = ['GET', 'HEAD', 'OPTIONS']

/** Headers of every answer, and a log line for each request that changed something or failed; shards log what they accepted themselves. */
export function finish(response: Response, request: InboxRequest): Response {
  response.headers.set('X-Correlation-ID', request.correlationId)
  response.headers.set('Cache-Control', 'no-store')
  response.headers.set('X-Content-Type-Options', 'nosniff')
  const { status } = response
  const accepted = status === 202 && !response.headers.has('Idempotency-Replayed')
  if ((!QUIET_METHODS.includes(request.method) && !accepted) || status >= 400) {
    log(status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info', 'request', {
      correlation_id: request.correlationId,
      event_id: request.eventId,
      method: request.method,
      path: pathOf(request.url).slice(0, 256),
      status,
      duration_ms: Date.now() - request.startedAt,
    })
  }
  return response
}

/** Of a URL as requests have it, with a scheme and a host. */
function pathOf(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2)
  const to = url.indexOf('?', from)
  return url.slice(from, to === -1 ? undefined : to)
}
