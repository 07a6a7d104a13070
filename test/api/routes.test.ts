import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { type Inbox, test } from '../support/world'

/** The status line and headers of an answer, and its body, byte for byte as they come over the wire. */
function exchange(inbox: Inbox, method: string, path: string) {
  return new Promise<{ head: string; body: string }>((resolve, reject) => {
    const socket = connect(Number(inbox.url.port), inbox.url.hostname)
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => {
      const [head = '', ...body] = text.split('\r\n\r\n')
      resolve({ head, body: body.join('\r\n\r\n') })
    })
    const headers = [
      `Host: ${inbox.url.host}`,
      'Authorization: Bearer dev-token',
      'X-Correlation-ID: c',
      'Connection: close',
    ]
    socket.write(`${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`)
  })
}

/** But for those of the transfer itself. */
const headersOf = (head: string) =>
  head
    .split('\r\n')
    .filter((line) => !/^(content-length|transfer-encoding|connection):/i.test(line))
    .toSorted()

describe('the router answers', () => {
  const cases = [
    ['GET', '/nowhere', 404, 'NOT_FOUND'],
    ['GET', '/inbox/a/b', 404, 'NOT_FOUND'],
    ['GET', '/inbox/unknown-id', 404, 'EVENT_NOT_FOUND'],
    ['GET', '/inbox/a%20b', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox/%E0%A4%A', 400, 'INVALID_PARAMETER'],
    ['GET', '/events', 405, 'METHOD_NOT_ALLOWED'],
    ['PUT', '/inbox', 405, 'METHOD_NOT_ALLOWED'],
    ['POST', '/metrics', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/inbox?limit=0', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?limit=1001', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?limit=ten', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?offset=-1', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?status=done', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?status=', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?limit=1&limit=2', 400, 'INVALID_PARAMETER'],
    ['GET', '/inbox?staus=pending', 400, 'INVALID_PARAMETER'],
  ] as const
  for (const [method, path, status, code] of cases) {
    test(`${method} ${path} with ${status} ${code}`, async ({ inbox }) => {
      const answer = await inbox.call(method, path)
      expect([answer.status, answer.body.code]).toEqual([status, code])
      expect(answer.headers.get('X-Correlation-ID')).toBe(answer.body.correlation_id)
      if (status === 405)
        expect(answer.headers.get('Allow')).toBe(path === '/events' ? 'POST' : 'GET, HEAD')
      const parameter = /[?](\w+)/.exec(path)?.[1]
      if (parameter) expect(answer.body.errors[0]?.parameter).toBe(parameter)
    })
  }

  test('every route at once, before anything is looked for among the assets', () => {
    const routes = readFileSync('worker.ts', 'utf8').matchAll(/\.(?:get|post|delete)\('(\/\S*?)'/g)
    const { assets } = unstable_readConfig({ config: 'wrangler.jsonc' })
    const first = [assets?.run_worker_first].flat()
    const beginsWith = (path: string, rule: unknown) =>
      typeof rule === 'string' && rule.endsWith('*') && path.startsWith(rule.slice(0, -1))
    const later = [...routes].filter(
      ([, path = '']) => !first.some((rule) => rule === path || beginsWith(path, rule)),
    )
    expect(later.map(([, path]) => path)).toEqual([])
  })

  test('only /health without a token', async ({ inbox }) => {
    expect((await fetch(new URL('/health', inbox.url))).status).toBe(200)
    for (const path of ['/inbox', '/inbox/a', '/metrics', '/dlq']) {
      expect((await fetch(new URL(path, inbox.url))).status).toBe(401)
    }
  })

  test('with a correlation id of its own for one that could break a log line', async ({
    inbox,
  }) => {
    const { headers } = await inbox.call('GET', '/metrics', undefined, {
      'X-Correlation-ID': 'a"b',
    })
    expect(headers.get('X-Correlation-ID')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('HEAD', () => {
  test('is answered as GET is, without a body, wherever GET is', async ({ inbox }) => {
    await inbox.postId('there')
    for (const path of [
      '/health',
      '/inbox?limit=1',
      '/inbox/there',
      '/inbox/not-there',
      '/inbox?limit=none',
      '/dlq',
      '/metrics',
      '/metrics?format=prometheus',
      '/nowhere',
    ]) {
      const [head, get] = [await exchange(inbox, 'HEAD', path), await exchange(inbox, 'GET', path)]
      expect([path, headersOf(head.head)]).toEqual([path, headersOf(get.head)])
      expect([path, head.body]).toEqual([path, ''])
      expect(get.body.length).toBeGreaterThan(10)
    }
  })

  test('needs the token and scope that GET needs, and is not taken where GET is not', async ({
    inbox,
  }) => {
    const stranger = await fetch(new URL('/inbox', inbox.url), { method: 'HEAD' })
    expect([stranger.status, stranger.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer'])
    expect((await inbox.call('HEAD', '/events')).status).toBe(405)
  })
})

describe('a path', () => {
  const stranger = async (inbox: Inbox, method: string, path: string) => {
    const response = await fetch(new URL(path, inbox.url), { method })
    const text = await response.text()
    const { code, detail } = text.startsWith('{') ? JSON.parse(text) : { code: '', detail: '' }
    return { status: response.status, headers: response.headers, code, detail }
  }

  test('that is misspelt is a 404 that names /openapi.json, with or without a token', async ({
    inbox,
  }) => {
    for (const [method, path] of [
      ['POST', '/evnets'],
      ['POST', '/Events'],
      ['POST', '/event'],
      ['GET', '/inboxes'],
      ['GET', '/INBOX'],
      ['GET', '/inbox/a/b/c'],
      ['POST', '/inbox/a/akc'],
      ['GET', '/inbox//ack'],
      ['GET', '/metric'],
      ['GET', '/dlq/retry/now'],
      ['PUT', '/'.padEnd(200, 'x')],
      ['GET', '/healthz'],
    ] as const) {
      const unknown = await stranger(inbox, method, path)
      expect([path, unknown.status, unknown.code]).toEqual([path, 404, 'NOT_FOUND'])
      expect(unknown.detail).toContain('/openapi.json')
      expect((await inbox.call(method, path)).status).toBe(404)
    }
  })

  test('that is there does not tell a stranger what is behind it', async ({ inbox }) => {
    await inbox.postId('hidden')
    for (const [method, path] of [
      ['POST', '/events'],
      ['GET', '/inbox/hidden'],
      ['GET', '/inbox/not-there'],
      ['GET', '/inbox/a%20b'],
      ['POST', '/inbox/hidden/ack'],
      ['DELETE', '/inbox/hidden'],
      ['GET', '/metrics?format=none'],
    ] as const)
      expect([path, (await stranger(inbox, method, path)).code]).toEqual([path, 'UNAUTHORIZED'])
  })

  test('is the same with a slash behind it', async ({ inbox }) => {
    await inbox.postId('slashed')
    expect((await inbox.call('POST', '/events/', { payload: {} })).status).toBe(202)
    for (const path of ['/inbox/', '/inbox/slashed/', '/metrics/', '/dlq/', '/health/'])
      expect([path, (await inbox.get(path)).status]).toEqual([path, 200])
    expect((await inbox.ack('slashed/')).status).toBe(404)
    expect((await inbox.call('POST', '/inbox/slashed/ack/')).status).toBe(200)
  })

  test('with another method is a 405 whose Allow has all that are taken', async ({ inbox }) => {
    for (const [method, path, allow] of [
      ['PUT', '/events', 'POST'],
      ['POST', '/metrics', 'GET, HEAD'],
      ['PATCH', '/inbox/a', 'GET, DELETE, HEAD'],
      ['GET', '/inbox/a/nack', 'POST'],
      ['DELETE', '/dlq', 'GET, HEAD'],
      ['POST', '/health', 'GET, HEAD'],
    ] as const) {
      const { status, headers } = await stranger(inbox, method, path)
      expect([path, status, headers.get('Allow')]).toEqual([path, 405, allow])
    }
  })
})

describe('a browser that asks whether it may send', () => {
  const allowed = async (inbox: Inbox, headers: string | null) => {
    const asked = await fetch(new URL('/events', inbox.url), {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://shop.example',
        'Access-Control-Request-Method': 'POST',
        ...(headers !== null && { 'Access-Control-Request-Headers': headers }),
      },
    })
    expect(asked.status).toBe(204)
    return asked.headers.get('Access-Control-Allow-Headers')?.toLowerCase().split(', ') ?? []
  }

  test('may send every header the inbox reads, whatever attributes a CloudEvent has', async ({
    inbox,
  }) => {
    const fixed = [
      'authorization',
      'content-encoding',
      'content-type',
      'idempotency-key',
      'x-correlation-id',
    ]
    expect((await allowed(inbox, null)).toSorted()).toEqual(fixed)
    const asked = [
      'ce-id',
      'CE-Source',
      'ce-specversion',
      'ce-tenant7',
      'webhook-id',
      'webhook-signature',
      'webhook-timestamp',
    ]
    expect(await allowed(inbox, asked.join(','))).toEqual(
      expect.arrayContaining([...fixed, ...asked.map((name) => name.toLowerCase())]),
    )
  })

  test('may send no others', async ({ inbox }) => {
    const names = await allowed(inbox, 'cookie, x-ce-id, ce-, ce-a_b, webhook-other, x-admin, *')
    expect(names).toHaveLength(5)
  })

  test('reads the headers that say what to do about a refusal', async ({ inbox }) => {
    const from = { Origin: 'https://shop.example' }
    const { headers } = await inbox.call('GET', '/metrics', undefined, from)
    for (const name of ['Retry-After', 'Allow', 'Accept-Post', 'Accept-Encoding'])
      expect(headers.get('Access-Control-Expose-Headers')).toContain(name)
  })
})
