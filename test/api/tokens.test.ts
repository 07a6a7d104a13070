import { describe, expect } from 'vitest'
import { parseTokens } from '../../shared/tokens'
import { logText } from '../support/logs'
import { clientOf, test } from '../support/world'

describe('tokens', () => {
  const secret = (value: string | undefined) => ({
    workers: [{ configPath: 'wrangler.jsonc', secrets: { API_TOKENS: value ?? '' } }],
  })

  test('reach as far as their scopes', async ({ inbox, server }) => {
    const tokens = [
      { name: 'producer', token: 'w', scopes: ['write'] },
      { name: 'reader', token: 'r', scopes: ['read'] },
    ]
    await server.update(secret(JSON.stringify(tokens)))
    const { url } = await server.listen()
    const status = async (token: string, method: string, path: string, body?: string) => {
      const as = { Authorization: `bearer ${token}` }
      return (await clientOf(url).call(method, path, body, as)).status
    }
    expect(await status('w', 'POST', '/events', '{"payload":{}}')).toBe(202)
    expect(await status('w', 'GET', '/inbox')).toBe(403)
    expect(await status('r', 'POST', '/events', '{"payload":{}}')).toBe(403)
    expect(await status('r', 'GET', '/inbox')).toBe(200)
    expect(inbox.url).toBeDefined()
  })

  test('that may manage may consume too; the others only what they say', () => {
    const scopesOf = (...scopes: string[]) =>
      parseTokens(JSON.stringify([{ name: 'a', token: 't', scopes }]))[0]?.scopes
    expect(scopesOf('consume')).toEqual(['consume'])
    expect(scopesOf('manage', 'read')).toEqual(['manage', 'read', 'consume'])
    expect(scopesOf('write', 'read')).toEqual(['write', 'read'])
    expect(() => scopesOf('consumes')).toThrow('the scopes of write, read, manage, consume')
  })

  test('that are missing or malformed are a 503 for everybody, and only the log says why', async ({
    server,
  }) => {
    for (const [value, status] of [
      ['', 503],
      ['[]', 503],
      ['[{"token":"dev-token"}]', 503],
      ['[{"name":"a","token":"dev-token ","scopes":["read"]}]', 503],
      [`[{"name":"a","token":"${'dev-token'.repeat(60)}","scopes":["read"]}]`, 503],
      ['dev-token', 503],
    ] as const) {
      await server.update(secret(value))
      server.clearLogs()
      const response = await clientOf((await server.listen()).url).get('/inbox')
      expect([value, response.status]).toEqual([value, status])
      expect(response.text).not.toMatch(/API_TOKENS|dev-token/)
      const lines = logText(server)
      if (status === 503) expect(lines).toContain('API_TOKENS')
      expect(lines).not.toContain('dev-token')
    }
  })
})
