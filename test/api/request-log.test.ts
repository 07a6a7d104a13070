import { describe, expect } from 'vitest'
import type { TestHarness } from 'wrangler'
import { logLines } from '../support/logs'
import { clientOf, inParallel, test as base } from '../support/world'

const test = base.override('vars', { MAX_RETRIES: '1' })

/** The lines of the requests under this correlation id, once there are so many. */
async function linesOf(server: TestHarness, id: string, count = 1) {
  const own = () => logLines(server).filter(({ correlation_id }) => correlation_id === id)
  await expect.poll(own).toHaveLength(count)
  return own()
}

const id = (name: string) => ({ 'X-Correlation-ID': name })
const batch = (count: number, name: string) =>
  Array.from({ length: count }, (_, n) => ({ event_id: `${name}-${n}`, payload: {} }))

describe('a log line', () => {
  test('of a change has the name of the token, never the token', async ({ inbox, server }) => {
    await inbox.post({ event_id: 'named', payload: {} }, id('change-1'))
    await inbox.call('POST', '/inbox/named/nack', undefined, id('change-1'))
    await inbox.call('DELETE', '/inbox/named', undefined, id('change-1'))
    const own = await linesOf(server, 'change-1', 3)
    expect(own.map(({ message, caller, event_id }) => [message, caller, event_id])).toEqual([
      ['accepted', 'development', 'named'],
      ['request', 'development', 'named'],
      ['request', 'development', 'named'],
    ])
    expect(JSON.stringify(own)).not.toContain('dev-token')
  })

  test('of a batch that was not accepted whole names who was refused, and why', async ({
    inbox,
    server,
  }) => {
    await inbox.postId('old')
    const mixed = [
      { event_id: 'old', payload: {} },
      { payload: 1 },
      { event_id: 'new', payload: {} },
    ]
    await inbox.call('POST', '/events', mixed, id('mixed'))
    const [request] = (await linesOf(server, 'mixed', 2)).filter(
      ({ message }) => message === 'request',
    )
    expect(request).toMatchObject({
      level: 'info',
      status: 207,
      caller: 'development',
      refused: [
        { index: 0, event_id: 'old', code: 'DUPLICATE_EVENT_ID' },
        { index: 1, event_id: null, code: 'INVALID_EVENT' },
      ],
    })
    await inbox.call('POST', '/events', Array(50).fill(1), id('many'))
    const [many] = await linesOf(server, 'many')
    expect(many).toMatchObject({ level: 'warn', status: 400, code: 'BATCH_REFUSED', more: 30 })
    expect(many?.refused).toHaveLength(20)
  })

  test('of a bulk ack and of a redrive has their first ids, and how many more', async ({
    inbox,
    server,
  }) => {
    const events = batch(80, 'bulk')
    await inbox.call('POST', '/events', events)
    const event_ids = events.map(({ event_id }) => event_id)
    await inParallel(80, 8, async (n) => void (await inbox.nack(event_ids[n] ?? '', 'bulky')))
    await inbox.call('POST', '/dlq/retry', { event_ids: event_ids.slice(0, 2) }, id('by-id'))
    expect(await linesOf(server, 'by-id')).toMatchObject([{ event_ids: ['bulk-0', 'bulk-1'] }])
    await inbox.call('POST', '/dlq/retry', { reason: 'bulky' }, id('by-reason'))
    const [redrive] = await linesOf(server, 'by-reason')
    expect(redrive).toMatchObject({ caller: 'development', more: 58 })
    expect(redrive?.event_ids).toHaveLength(20)
    expect(event_ids.slice(2)).toEqual(expect.arrayContaining([redrive?.event_ids].flat()))
    await inbox.call('POST', '/inbox/ack', { event_ids }, id('acks'))
    expect(await linesOf(server, 'acks')).toMatchObject([
      { event_ids: event_ids.slice(0, 20), more: 60 },
    ])
  })

  test('of a refused request has the code of its problem', async ({ inbox, server }) => {
    const post = (body: string, more: Record<string, string> = {}) =>
      inbox.post(body, { ...id('refused'), ...more })
    await inbox.postId('twice')
    await post('{"event_id":"twice","payload":{}}')
    await post('{')
    await post('{}', { 'Content-Type': 'text/plain' })
    await post('{}', { Authorization: 'Bearer unknown' })
    await inbox.call('POST', '/inbox/nobody/ack', undefined, id('refused'))
    await inbox.call('GET', '/nowhere', undefined, id('refused'))
    await inbox.call('PUT', '/events', undefined, id('refused'))
    const own = await linesOf(server, 'refused', 7)
    expect(own.map(({ caller, code, event_id }) => [code, caller, event_id])).toEqual([
      ['DUPLICATE_EVENT_ID', 'development', 'twice'],
      ['INVALID_JSON', 'development', undefined],
      ['UNSUPPORTED_MEDIA_TYPE', 'development', undefined],
      ['UNAUTHORIZED', undefined, undefined],
      ['EVENT_NOT_FOUND', 'development', 'nobody'],
      ['NOT_FOUND', undefined, undefined],
      ['METHOD_NOT_ALLOWED', undefined, undefined],
    ])
  })
})

test('no line has the token of a lease, however it is written; its name is there instead', async ({
  inbox,
  server,
}) => {
  await inbox.postId('leased')
  const claimed = await inbox.claim()
  const token = claimed.body.lease?.token ?? ''
  const [index = '', secret = ''] = token.split('.')
  server.clearLogs()
  for (const written of [token, `${index}%2E${secret}`, `%3${index}.${secret}`])
    await inbox.call('POST', `/leases/${written}/settle`, { release: ['leased'] })
  const lines = () => logLines(server).filter(({ path }) => path === '/leases/…/settle')
  await expect.poll(lines).toHaveLength(3)
  expect(lines()[0]).toMatchObject({ lease: expect.stringMatching(/^[\w-]{22}$/) })
  expect(JSON.stringify(logLines(server))).not.toContain(secret)
})

test('LOG_LEVEL leaves out what is below it; one that is none of them is info, and told of', async ({
  server,
}) => {
  const levels: [level: string, told: string[]][] = [
    ['debug', ['error', 'info', 'warn', 'error']],
    ['warn', ['error', 'warn', 'error']],
    ['error', ['error', 'error']],
    ['loud', ['error', 'info', 'warn', 'error']],
  ]
  for (const [level, told] of levels) {
    const vars = { LOG_LEVEL: level, MAX_RETRIES: 'many' }
    await server.update({ workers: [{ configPath: 'wrangler.jsonc', vars }] })
    server.clearLogs()
    const inbox = clientOf((await server.listen()).url)
    await inbox.post({ payload: {} })
    await inbox.call('GET', '/nowhere')
    await inbox.nack('any')
    const last = () => logLines(server).find(({ path }) => path === '/inbox/any/nack')
    await expect.poll(last).toBeDefined()
    // Drains tell of themselves at debug, whenever they come.
    const drains = () => logLines(server).filter((line) => line.level === 'debug')
    if (level === 'debug') await expect.poll(drains).not.toEqual([])
    else expect(drains()).toEqual([])
    const others = logLines(server).filter((line) => line.level !== 'debug')
    expect(others.map((line) => line.level)).toEqual(told)
  }
  expect(JSON.stringify(logLines(server))).toContain(
    'LOG_LEVEL is none of debug, info, warn, error',
  )
})
