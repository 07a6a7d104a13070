import fc from 'fast-check'
import { describe, expect, test as plain } from 'vitest'
import type { TestHarness } from 'wrangler'
import { configurationOf, readConfiguration, type Variables } from '../../shared/config'
import { logged } from '../support/logs'
import { shardOf } from '../support/shards'
import { clientOf, test } from '../support/world'

const TOKENS = '[{"name":"a","token":"t","scopes":["read"]}]'
const GOOD = {
  API_TOKENS: TOKENS,
  WEBHOOK_SECRET: 'whsec_c2VjcmV0 c2VjcmV0',
  SHARD_COUNT: '2',
  MAX_RETRIES: '3',
  RETENTION_DAYS: '0.5',
  ALLOWED_ORIGINS: 'https://a.example, http://localhost:3000/ ,null, capacitor://localhost',
  LOG_LEVEL: 'debug',
}

describe('a configuration', () => {
  plain('that is right has no mistakes', () => {
    expect(readConfiguration(GOOD)).toMatchObject({
      mistakes: [],
      tokens: [{ name: 'a', scopes: ['read'] }],
      webhooks: [{}, {}],
      shardCount: 2,
      maxRetries: 3,
      retentionDays: 0.5,
      origins: ['https://a.example', 'http://localhost:3000', 'null', 'capacitor://localhost'],
      logLevel: 'debug',
    })
  })

  plain('has a default for all but the tokens; numbers may be written as numbers', () => {
    expect(readConfiguration({})).toMatchObject({
      mistakes: ['API_TOKENS is not set; nobody gets in'],
      tokens: null,
      webhooks: [],
      shardCount: 2,
      maxRetries: 3,
      retentionDays: 30,
      origins: ['*'],
      logLevel: 'info',
    })
    expect(readConfiguration({ ...GOOD, MAX_RETRIES: 5, RETENTION_DAYS: 7 })).toMatchObject({
      maxRetries: 5,
      retentionDays: 7,
    })
  })

  const wrong: [name: keyof typeof GOOD, member: string, values: unknown[]][] = [
    [
      'API_TOKENS',
      'tokens',
      [
        '',
        '[]',
        '{}',
        'null',
        'dev-token',
        '[1]',
        '[{"name":"a","token":"t","scopes":["all"]}]',
        7,
      ],
    ],
    ['WEBHOOK_SECRET', 'webhooks', ['', ' ', 'whsec_', 'whsec_!!', 'c2VjcmV0 not/base64!', {}]],
    ['SHARD_COUNT', 'shardCount', ['', '0', '-1', '1.5', '257', 'two', '2 ', '1e1', 0, []]],
    ['MAX_RETRIES', 'maxRetries', ['', '0', '-1', '1.5', '1001', 'three', '0x3', 1.5, true]],
    ['RETENTION_DAYS', 'retentionDays', ['', '-1', 'P30D', '1e3', '.5', '123456', 'Infinity']],
  ]
  for (const [name, member, values] of wrong) {
    plain(`with a wrong ${name} has nothing in its place, and says so in one sentence`, () => {
      for (const value of values) {
        const configuration = readConfiguration({ ...GOOD, [name]: value })
        expect([value, configuration]).toMatchObject([value, { [member]: null }])
        expect(configuration.mistakes).toEqual([expect.stringMatching(new RegExp(`^${name} \\w`))])
      }
    })
  }

  plain('with a wrong origin leaves that one out, and names it', () => {
    for (const each of ['a.example', 'https://a.example/page', 'https://*.example', 'https:']) {
      const { origins, mistakes } = readConfiguration({
        ...GOOD,
        ALLOWED_ORIGINS: `https://b.example,${each}`,
      })
      expect([each, origins]).toEqual([each, ['https://b.example']])
      expect(mistakes).toEqual([expect.stringContaining(`"${each}"`)])
    }
  })

  plain('is never quoted where it is secret, and never throws', () => {
    const secret = fc
      .string({ minLength: 12, unit: 'grapheme-ascii' })
      .filter((each) => each.trim().length > 10)
    const entry = fc
      .tuple(secret, fc.constantFrom('all', 1))
      .map(([token, scope]) => JSON.stringify([{ name: 'n', token, scopes: [scope] }]))
    fc.assert(
      fc.property(secret, fc.oneof(secret, entry), (webhook, tokens) => {
        const env: Variables = { API_TOKENS: tokens, WEBHOOK_SECRET: webhook }
        const said = readConfiguration(env).mistakes.join()
        expect(said).not.toContain(webhook.trim())
        expect(said).not.toContain(tokens)
      }),
    )
  })

  plain('is read once', () => {
    const env = { ...GOOD }
    expect(configurationOf(env)).toBe(configurationOf(env))
    expect(configurationOf(env)).not.toBe(configurationOf({ ...GOOD }))
  })
})

/** The worker, restarted with other variables. */
async function restart(server: TestHarness, vars: Record<string, string>, tokens?: string) {
  const secrets = tokens === undefined ? {} : { secrets: { API_TOKENS: tokens } }
  await server.update({ workers: [{ configPath: 'wrangler.jsonc', vars, ...secrets }] })
  server.clearLogs()
  return clientOf((await server.listen()).url)
}

const mistakesTold = (server: TestHarness) => logged(server, 'the configuration is not right')

const NOT_CONFIGURED = [503, 'NOT_CONFIGURED']

describe('a service with a wrong', () => {
  const answers = async (server: TestHarness, vars: Record<string, string>, tokens?: string) => {
    const inbox = await restart(server, vars, tokens)
    const told = ({ status, body }: { status: number; body: { code: string } }) =>
      status < 400 ? status : [status, body.code]
    const id = `a-${Math.random()}`
    const result = {
      post: told(await inbox.post({ event_id: id, payload: {} })),
      webhook: told(await inbox.post({ a: 1 }, { 'webhook-id': id })),
      list: told(await inbox.get('/inbox')),
      nack: told(await inbox.nack(id)),
      ack: told(await inbox.ack(id)),
      health: told(await inbox.get('/health')),
      ready: told(await inbox.get('/health?ready=1')),
    }
    return result
  }
  const fine = { post: 202, webhook: 202, list: 200, nack: 200, ack: 200, health: 200, ready: 200 }

  test('nothing answers everything', async ({ server }) => {
    expect(await answers(server, {})).toEqual(fine)
    expect(mistakesTold(server)).toEqual([])
  })

  const cases: [name: string, value: string, stopped: (keyof typeof fine)[]][] = [
    ['WEBHOOK_SECRET', 'not base64!', ['webhook']],
    ['MAX_RETRIES', 'three', ['nack']],
    ['RETENTION_DAYS', 'a month', []],
    ['ALLOWED_ORIGINS', 'shop.example', []],
    ['LOG_LEVEL', 'loud', []],
    ['SHARD_COUNT', 'two', ['post', 'webhook', 'list', 'nack', 'ack']],
  ]
  for (const [name, value, stopped] of cases) {
    test(`${name} stops ${stopped.join(', ') || 'no request'}, and is told of once in the log`, async ({
      server,
    }) => {
      const expected = Object.fromEntries(
        [...stopped, 'ready'].map((each) => [each, NOT_CONFIGURED]),
      )
      expect(await answers(server, { [name]: value })).toEqual({ ...fine, ...expected })
      await expect.poll(() => mistakesTold(server)).toHaveLength(1)
      const [{ level, mistakes } = {}] = mistakesTold(server)
      expect([level, mistakes]).toEqual(['error', [expect.stringContaining(name)]])
    })
  }

  test('API_TOKENS stops all but /health, with a token and without', async ({ server }) => {
    for (const tokens of ['', '[]', 'dev-token']) {
      const all = Object.fromEntries(Object.keys(fine).map((each) => [each, NOT_CONFIGURED]))
      expect(await answers(server, {}, tokens)).toEqual({ ...all, health: 200 })
      const { url } = await server.listen()
      expect((await fetch(new URL('/inbox', url))).status).toBe(503)
      expect(mistakesTold(server)).toHaveLength(1)
    }
  })
})

test('while MAX_RETRIES is wrong no event fails, and while RETENTION_DAYS is nothing is pruned', async ({
  server,
}) => {
  const inbox = await restart(server, { MAX_RETRIES: '0', RETENTION_DAYS: '' })
  await inbox.postId('kept')
  for (let n = 0; n < 4; n++) expect((await inbox.nack('kept')).status).toBe(503)
  // Nor by a worker that was deployed before.
  const { SHARD } = await server.getWorker<Env>().getEnv()
  const owner = SHARD.getByName(`shard-${shardOf('kept')}`)
  for (let n = 0; n < 4; n++)
    expect(await owner.nack('kept', 'no')).toMatchObject([{ event: { status: 'pending' } }])
  await inbox.ack('kept')
  await inbox.drained()
  expect(await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })).toMatchObject({
    outcome: 'ok',
  })
  expect((await inbox.event('kept')).status).toBe('delivered')
})
