import { readFileSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { logLines, logText } from '../support/logs'
import { METHODS, openapi } from '../support/openapi'
import { clientOf, test as base } from '../support/world'

const test = base.override('vars', { ALLOWED_ORIGINS: 'https://a.example, https://b.example' })

describe('openapi.json', () => {
  test('is served without a token, and has every route of the worker', async ({ inbox }) => {
    const response = await fetch(new URL('/openapi.json', inbox.url))
    expect([response.status, response.headers.get('Content-Type')]).toEqual([
      200,
      'application/json',
    ])
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*')
    const served: Record<string, unknown> = JSON.parse(await response.text())
    expect(served).toEqual(openapi)
    const routes = [
      ...readFileSync('worker.ts', 'utf8').matchAll(/^ {2}\.(get|post|delete)\('([^']+)'/gm),
    ].map(([, method, path]) => `${method} ${path?.replaceAll(/:(\w+)/g, '{$1}')}`)
    const documented = Object.entries(openapi.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => `${method} ${path}`),
    )
    expect(documented.toSorted()).toEqual(routes.toSorted())
  })

  test('names every path that wrangler.jsonc sends to the worker without looking among the assets', () => {
    const { assets } = unstable_readConfig({ config: 'wrangler.jsonc' })
    const patterns = [assets?.run_worker_first ?? []].flat().map(String)
    const isFirst = (path: string) =>
      patterns.some((each) => path === each || path.startsWith(each.replace(/\*$/, '')))
    for (const path of Object.keys(openapi.paths))
      expect([path, isFirst(path)]).toEqual([path, true])
    expect(['/', '/openapi.json', '/event-inbox.js'].filter(isFirst)).toEqual([])
  })
})

describe('browsers', () => {
  test('of allowed origins may ask every route and read the answer; others may not', async ({
    inbox,
  }) => {
    for (const path of [
      '/events',
      '/inbox',
      '/inbox/a',
      '/inbox/a/ack',
      '/dlq',
      '/dlq/retry',
      '/metrics',
      '/health',
      '/nowhere',
    ]) {
      const asked = await fetch(new URL(path, inbox.url), {
        method: 'OPTIONS',
        headers: { Origin: 'https://b.example', 'Access-Control-Request-Method': 'POST' },
      })
      expect([path, asked.status, asked.headers.get('Access-Control-Allow-Origin')]).toEqual([
        path,
        204,
        'https://b.example',
      ])
      expect(asked.headers.get('Access-Control-Allow-Headers')).toContain('Authorization')
      expect(asked.headers.get('Access-Control-Allow-Methods')).toContain('DELETE')
    }
    const readFrom = (Origin: string) => inbox.call('GET', '/metrics', undefined, { Origin })
    const read = await readFrom('https://a.example')
    expect(read.headers.get('Access-Control-Allow-Origin')).toBe('https://a.example')
    expect(read.headers.get('Access-Control-Expose-Headers')).toContain('X-Correlation-ID')
    expect(read.headers.get('Vary')).toContain('Origin')
    const other = await readFrom('https://evil.example')
    expect(other.headers.get('Access-Control-Allow-Origin')).toBeNull()
    const refused = await fetch(new URL('/metrics', inbox.url), {
      headers: { Origin: 'https://a.example' },
    })
    expect([refused.status, refused.headers.get('Access-Control-Allow-Origin')]).toEqual([
      401,
      'https://a.example',
    ])
  })

  test('get the page with a policy that lets nothing foreign in, and the element from anywhere', async ({
    inbox,
  }) => {
    const page = await fetch(inbox.url)
    expect(page.headers.get('Content-Security-Policy')).toContain(
      "default-src 'none'; script-src 'self'",
    )
    expect(page.headers.get('Content-Security-Policy')).not.toContain('unsafe-inline')
    expect([
      page.headers.get('X-Content-Type-Options'),
      page.headers.get('Referrer-Policy'),
    ]).toEqual(['nosniff', 'no-referrer'])
    const element = await fetch(new URL('/event-inbox.js', inbox.url))
    expect([element.status, element.headers.get('Access-Control-Allow-Origin')]).toEqual([200, '*'])
  })
})

describe('sizes', () => {
  test('of URL, headers and query string are limited', async ({ inbox }) => {
    const long = await inbox.get(`/inbox?payload.a=${'x'.repeat(8_200)}`)
    expect([long.status, long.body.code]).toEqual([414, 'URI_TOO_LONG'])
    const parts = Object.fromEntries(
      Array.from({ length: 5 }, (_, n) => [`x-part-${n}`, 'y'.repeat(7_000)]),
    )
    const large = await inbox.call('GET', '/metrics', undefined, parts)
    expect([large.status, large.body.code]).toEqual([431, 'HEADERS_TOO_LARGE'])
    const many = await inbox.get(
      `/inbox?${Array.from({ length: 33 }, (_, n) => `p${n}=1`).join('&')}`,
    )
    expect([many.status, many.body.code]).toEqual([400, 'INVALID_PARAMETER'])
  })
})

describe('correlation', () => {
  test('is one JSON line for each request that changes something or fails, with what happened to which event', async ({
    inbox,
    server,
  }) => {
    const lines = () =>
      logLines(server).filter(({ message }) => /^(request|accepted)$/.test(String(message)))
    server.clearLogs()
    const id = { 'X-Correlation-ID': 'trace-1' }
    await inbox.post({ event_id: 'logged', payload: { secret: 'do-not-log' } }, id)
    await inbox.call('POST', '/inbox/logged/ack', undefined, id)
    await inbox.call('GET', '/inbox/logged', undefined, id)
    await inbox.call('POST', '/inbox/logged/ack', undefined, id)
    await inbox.call('GET', '/metrics', undefined, { ...id, Authorization: 'Bearer not-a-token' })
    await expect.poll(lines).toHaveLength(4)
    const anyLine = { correlation_id: 'trace-1', timestamp: expect.any(String) }
    const common = { ...anyLine, message: 'request', duration_ms: expect.any(Number) }
    expect(lines()).toEqual([
      {
        ...anyLine,
        level: 'info',
        message: 'accepted',
        caller: 'development',
        event_id: 'logged',
        shard: expect.stringMatching(/^shard-\d$/),
      },
      {
        ...common,
        level: 'info',
        caller: 'development',
        event_id: 'logged',
        method: 'POST',
        path: '/inbox/logged/ack',
        status: 200,
      },
      {
        ...common,
        level: 'warn',
        caller: 'development',
        event_id: 'logged',
        method: 'POST',
        path: '/inbox/logged/ack',
        status: 409,
        code: 'STATUS_CONFLICT',
      },
      {
        ...common,
        level: 'warn',
        method: 'GET',
        path: '/metrics',
        status: 401,
        code: 'UNAUTHORIZED',
      },
    ])
    for (const secret of ['do-not-log', 'not-a-token', 'dev-token'])
      expect(logText(server)).not.toContain(secret)
  })
})

test('a replay is logged as the request it is, and nothing is logged as accepted twice', async ({
  inbox,
  server,
}) => {
  const logged = () =>
    logLines(server)
      .filter((line) => line.correlation_id === 'replayed')
      .map(({ message, status }) => [message, status])
  const headers = { 'Idempotency-Key': 'k-1', 'X-Correlation-ID': 'replayed' }
  await inbox.post({ payload: {} }, headers)
  await inbox.post({ payload: {} }, headers)
  await expect.poll(logged).toEqual([
    ['accepted', undefined],
    ['request', 202],
  ])
})

describe('the rate limit', () => {
  test('is off unless configured; then a token that asks too often gets 429 and Retry-After', async ({
    inbox,
    server,
  }) => {
    for (let n = 0; n < 30; n++) expect((await inbox.get('/metrics')).status).toBe(200)
    const config = unstable_readConfig({ config: 'wrangler.jsonc' })
    const ratelimits = [{ name: 'RATE_LIMIT', namespace_id: '1', simple: { limit: 5, period: 60 } }]
    await server.update({ workers: [{ config: { ...config, ratelimits } as never }] })
    const { url } = await server.listen()
    const ask = async (path: string, token: string) => {
      const as = { Authorization: `Bearer ${token}` }
      const { status, headers } = await clientOf(url).call('GET', path, undefined, as)
      return [status, headers.get('Retry-After')]
    }
    /** Asks until it is refused. A new minute may begin meanwhile, and with it a new count. */
    const untilRefused = async <Answer>(
      send: () => Promise<Answer>,
      isRefused: (answer: Answer) => boolean,
    ) => {
      const given: Answer[] = []
      while (given.length < 11 && !given.some(isRefused)) given.push(await send())
      return given
    }
    const answers = await untilRefused(
      () => ask('/metrics', 'dev-token'),
      ([status]) => status === 429,
    )
    expect(answers.slice(0, 5).map(([status]) => status)).toEqual([200, 200, 200, 200, 200])
    expect(answers.at(-1)).toEqual([429, '10'])
    // Who is nobody uses up nobody's share, and needs none for /health.
    expect(await ask('/metrics', 'unknown')).toEqual([401, null])
    expect(await ask('/health', 'dev-token')).toEqual([200, null])
    // Deliveries are counted by their source, proven or not.
    const deliver = async (source: string) =>
      (await fetch(new URL(`/in/${source}`, url), { method: 'POST', body: '{}' })).status
    const deliveries = await untilRefused(
      () => deliver('github'),
      (status) => status === 429,
    )
    expect(deliveries.slice(0, 5)).toEqual([401, 401, 401, 401, 401])
    expect(deliveries.at(-1)).toBe(429)
    expect(await deliver('stripe')).toBe(401)
  })
})
