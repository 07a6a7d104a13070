import { expect } from 'vitest'
import { test } from '../support/world'

const TOKENS = [
  { name: 'ops', token: 'o', scopes: ['read', 'write'] },
  { name: 'worker', token: 'w', scopes: ['consume'] },
  { name: 'admin', token: 'a', scopes: ['consume', 'manage'] },
  { name: 'idle', token: 'i', scopes: [] },
]
const secret = (value: string) => ({
  workers: [{ configPath: 'wrangler.jsonc', secrets: { API_TOKENS: value } }],
})

test('any token is told its name and scopes, and nobody else is told anything', async ({
  server,
}) => {
  await server.update(secret(JSON.stringify(TOKENS)))
  const { url } = await server.listen()
  const ask = (token?: string, method = 'GET') =>
    fetch(new URL('/whoami', url), {
      method,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    })
  const told = async (token: string) => {
    const { data, ...rest } = JSON.parse(await (await ask(token)).text())
    expect(rest).toEqual({ timestamp: expect.stringMatching(/^\d{4}-.*Z$/) })
    return data
  }
  expect(await told('o')).toEqual({ name: 'ops', scopes: ['write', 'read'] })
  expect(await told('w')).toEqual({ name: 'worker', scopes: ['consume'] })
  expect(await told('a')).toEqual({ name: 'admin', scopes: ['manage', 'consume'] })
  expect(await told('i')).toEqual({ name: 'idle', scopes: [] })
  expect((await ask('o', 'HEAD')).status).toBe(200)

  for (const [token, challenge] of [
    [undefined, 'Bearer'],
    ['unknown', 'Bearer error="invalid_token"'],
  ] as const) {
    const refused = await ask(token)
    expect([refused.status, refused.headers.get('WWW-Authenticate')]).toEqual([401, challenge])
    expect(await refused.text()).not.toContain('"name"')
  }
  const posted = await ask('o', 'POST')
  expect([posted.status, posted.headers.get('Allow')]).toEqual([405, 'GET, HEAD'])

  await server.update(secret('[]'))
  expect((await ask('o')).status).toBe(503)
})
