import type { IRequestStrict, RequestHandler } from 'itty-router'
import { configurationOf, needed } from '../../shared/config'
import { isCorrelationId } from '../../shared/event'
import { LIMITS } from '../../shared/limits'
import { log, logOnce } from '../../shared/log'
import { HttpError } from '../../shared/problem'
import { findToken, type Scope, type Token } from '../../shared/tokens'

/** This module has what every request passes before its handler, and every answer after it. */

export type InboxRequest = IRequestStrict & {
  correlationId: string
  caller?: Token
  startedAt: number
  /** What the request's log line says of its events. */
  facts?: Record<string, unknown>
  /** Whether the shard logs what became of it. */
  isLogged?: boolean
  /** The code of the problem that answers the request. */
  code?: string
}

export type Handler = RequestHandler<InboxRequest, [env: Env, ctx: ExecutionContext]>

/** Takes the request's X-Correlation-ID, or makes one. */
export function correlate(request: InboxRequest): void {
  request.startedAt = Date.now()
  const given = request.headers.get('X-Correlation-ID') ?? ''
  request.correlationId = isCorrelationId(given) ? given : crypto.randomUUID()
}

/** Bounds the length of URL and headers. @throws HttpError 414 or 431 for what is longer than any honest request */
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

/** Logs what is wrong with the configuration, in one line, at the first request that an isolate gets. */
export function reportMistakes(env: Env): void {
  const { mistakes, warnings } = configurationOf(env)
  if (mistakes.length > 0) logOnce('error', 'the configuration is not right', { mistakes })
  if (warnings.length > 0)
    logOnce('warn', 'the configuration may not be as it was meant', { warnings })
}

/** Lets every token that is known through, whatever its scopes, as often as RATE_LIMIT allows. */
export async function identify(request: InboxRequest, env: Env): Promise<void> {
  request.caller = callerOf(request, env)
  await limitRate(env, request.caller.name)
}

/** Lets only tokens with the scope through, each as often as RATE_LIMIT allows. */
export function allow(scope: Scope): Handler {
  return async (request, env) => {
    await identify(request, env)
    if (request.caller?.scopes.includes(scope)) return
    const headers = { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` }
    throw new HttpError(
      403,
      'INSUFFICIENT_SCOPE',
      `This needs a token with the scope "${scope}".`,
      { headers },
    )
  }
}

/** Finds the token that the request presents. @throws HttpError 401, and 503 while no tokens are configured */
function callerOf(request: InboxRequest, env: Env): Token {
  const tokens = needed(configurationOf(env).tokens)
  const presented = /^Bearer +([\x21-\x7e]+) *$/i.exec(
    request.headers.get('Authorization') ?? '',
  )?.[1]
  const caller = presented && findToken(tokens, presented)
  if (caller) return caller
  const detail = presented
    ? 'The bearer token is not known.'
    : 'Send a token: "Authorization: Bearer <token>".'
  const challenge = presented ? 'Bearer error="invalid_token"' : 'Bearer'
  throw new HttpError(401, 'UNAUTHORIZED', detail, { headers: { 'WWW-Authenticate': challenge } })
}

/** Limits requests by the platform's rate limiting binding, where there is one. @throws HttpError 429 */
export async function limitRate(env: Env, key: string): Promise<void> {
  if (!env.RATE_LIMIT || (await env.RATE_LIMIT.limit({ key })).success) return
  throw new HttpError(429, 'RATE_LIMITED', 'Too many requests. Wait, then send fewer at a time.', {
    headers: { 'Retry-After': '10' },
  })
}

const CORS_HEADERS = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, DELETE',
  'Access-Control-Max-Age': '86400',
}
const ALLOWED_HEADERS =
  'Authorization, Content-Encoding, Content-Type, Idempotency-Key, X-Correlation-ID'
// `*` would not cover Authorization, and CloudEvents may have any attribute: so the headers asked for are named back.
const ALLOWED_IF_ASKED = /^(ce-[a-z0-9]{1,64}|(webhook|svix)-(id|timestamp|signature))$/

/** Answers a browser's CORS preflight, which needs no token. */
export function preflight(request: InboxRequest): Response | undefined {
  if (request.method !== 'OPTIONS' || !request.headers.has('Access-Control-Request-Method')) return
  const asked = (request.headers.get('Access-Control-Request-Headers') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => ALLOWED_IF_ASKED.test(name))
  const allowed = [ALLOWED_HEADERS, ...asked].join(', ')
  return new Response(null, {
    status: 204,
    headers: { ...CORS_HEADERS, 'Access-Control-Allow-Headers': allowed },
  })
}

/** Lets pages of ALLOWED_ORIGINS read the answer. Pages send the token in a header; cookies are never used. */
export function allowOrigin(response: Response, request: InboxRequest, env: Env): void {
  const origin = request.headers.get('Origin')
  if (!origin) return
  const { origins } = configurationOf(env)
  response.headers.append('Vary', 'Origin')
  if (!origins.includes('*') && !origins.includes(origin)) return
  response.headers.set('Access-Control-Allow-Origin', origins.includes('*') ? '*' : origin)
  response.headers.set(
    'Access-Control-Expose-Headers',
    'X-Correlation-ID, Idempotency-Replayed, Retry-After, Allow, Accept-Post, Accept-Encoding',
  )
}

const QUIET_METHODS = ['GET', 'HEAD', 'OPTIONS']

/**
 * Sets the headers of every answer, and logs a line for each request that changed something or failed.
 * Accepted events are left out: their shards log them.
 */
export function finish(response: Response, request: InboxRequest): Response {
  response.headers.set('X-Correlation-ID', request.correlationId)
  response.headers.set('Cache-Control', 'no-store')
  response.headers.set('X-Content-Type-Options', 'nosniff')
  const { status } = response
  const isNew = status === 202 && !response.headers.has('Idempotency-Replayed')
  const isLogged = request.isLogged || isNew || QUIET_METHODS.includes(request.method)
  if (!isLogged || status >= 400) {
    log(status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info', 'request', {
      correlation_id: request.correlationId,
      caller: request.caller?.name,
      ...request.facts,
      method: request.method,
      path: pathOf(request.url).slice(0, 256),
      status,
      code: request.code,
      duration_ms: Date.now() - request.startedAt,
    })
  }
  return response
}

/** Returns the path of a URL, which has a scheme and a host as in every request. */
function pathOf(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2)
  const to = url.indexOf('?', from)
  // What follows the name of a source may be its secret, and a lease is held by who knows its token.
  const path = url.slice(from, to === -1 ? undefined : to)
  return path
    .replace(/(\/in(?:\/|%2f)+[^/%]*)(?:\/|%2f).+$/i, '$1/…')
    .replace(/(\/leases(?:\/|%2f)+)(?:(?!\/|%2f).)+/i, '$1…')
}
