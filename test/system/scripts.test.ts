import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished } from 'vitest'
import { scripts } from '../../package.json'
import { readSources, secretVariable } from '../../shared/sources'
import { test as base } from '../support/world'

/** Runs what an `npm run` command of the README runs. */
async function run(script: string, ...flags: string[]) {
  const child = spawn('node', [`scripts/${script}.ts`, ...flags])
  const ended = new Promise((resolve) => child.on('close', resolve))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { status: await ended, output, errors }
}

const test = base.override('vars', {
  API_TOKENS: JSON.stringify([
    { name: 'all', token: 'dev-token', scopes: ['write', 'read', 'manage'] },
    { name: 'reader', token: 'reading', scopes: ['read'] },
  ]),
})

const NOWHERE = 'http://127.0.0.1:9'

test('the demo and the screenshots fail with a word on it when no inbox answers', async () => {
  for (const script of ['demo', 'screenshots']) {
    const { status, errors } = await run(script, '--url', NOWHERE)
    expect(status).toBe(1)
    expect(errors).toContain(`The inbox at ${NOWHERE} does not answer`)
    expect(errors).toContain('npm start')
  }
})

test('the demo and the screenshots fail with a word on it when the token is wrong or may too little', async ({
  inbox,
}) => {
  const url = inbox.url.href
  for (const [script, token, word] of [
    ['demo', 'wrong', 'not known'],
    ['demo', 'reading', 'write'],
    ['screenshots', 'wrong', 'not known'],
  ] as const) {
    const { status, errors } = await run(script, '--url', url, '--token', token)
    expect(status).toBe(1)
    expect(errors).toContain('does not take the token')
    expect(errors).toContain(word)
  }
})

test('the screenshots say what an inbox lacks, and how to fill it', async ({ inbox }) => {
  const { status, errors } = await run('screenshots', '--url', inbox.url.href)
  expect(status).toBe(1)
  expect(errors).toContain('has no pending and no delivered and no failed events')
  expect(errors).toContain('npm run demo')
})

test('a deployment is refused for variables that are malformed, not for secrets that are elsewhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'event-inbox-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const check = async (vars: object) => {
    const file = join(folder, 'wrangler.json')
    writeFileSync(file, JSON.stringify({ name: 'a', vars }))
    const child = spawn('npm', ['run', '--silent', 'check:config', '--', file])
    const ended = new Promise((resolve) => child.on('close', resolve))
    const [errors] = await Promise.all([text(child.stderr), text(child.stdout)])
    return { status: await ended, errors }
  }
  const SOURCES = [{ name: 'shop', type: 'stripe' }]
  const good = await check({ SOURCES, SUBSCRIPTIONS: [{ name: 'billing' }], SHARD_COUNT: '2' })
  expect(good).toEqual({ status: 0, errors: '' })
  const { status, errors } = await check({
    SOURCES: [...SOURCES, { name: 'other', type: 'stripes' }],
    SUBSCRIPTIONS: [{ name: 'billing', filtre: {} }],
    SHARD_COUNT: 'two',
  })
  expect(status).toBe(1)
  expect(errors.match(/^- .*$/gm)).toEqual([
    expect.stringContaining('SOURCES: "other" has a type that is not known'),
    expect.stringContaining('SUBSCRIPTIONS: "billing" has a member that is not known, "filtre"'),
    expect.stringContaining('SHARD_COUNT is not a whole number'),
  ])
  expect(scripts.deploy).toMatch(/^npm run --silent check:config && wrangler deploy /)
})

test('the source script prints lines that make a source, and the URL for its sender', async () => {
  const print = async (...args: string[]) => {
    const child = spawn('npm', ['run', '--silent', 'source', '--', ...args])
    return text(child.stdout)
  }
  for (const type of ['github', 'gitlab', 'hmac', 'basic', 'url-token']) {
    const output = await print(`our-${type}`, type, 'https://inbox.example')
    const [, entry = ''] = /^ {2}(\{"name":.*\})$/m.exec(output) ?? []
    const [, variable = '', secrets = ''] = /secret put (\w+), and paste: (.*)$/m.exec(output) ?? []
    expect(variable).toBe(secretVariable(`our-${type}`))
    const { named, mistakes } = readSources({ SOURCES: `[${entry}]`, [variable]: secrets })
    expect(mistakes).toEqual([])
    expect(named.get(`our-${type}`)).toMatchObject({ type, secrets: [expect.anything()] })
    const [secret] = JSON.parse(secrets) as string[]
    const url = `https://inbox.example/in/our-${type}`
    expect(output).toContain(`\n  ${type === 'url-token' ? `${url}/${secret}` : url}\n`)
  }
})

test('the demo fills an inbox for as long as it says, counting down to the end', async ({
  inbox,
}) => {
  const startedAt = Date.now()
  const { status, output } = await run(
    'demo',
    '--url',
    inbox.url.href,
    '--seconds',
    '4',
    '--rate',
    '60',
  )
  expect(status).toBe(0)
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(4_000)
  const left = [...output.matchAll(/(\d+) s left/g)].map(([, seconds]) => Number(seconds))
  expect(left[0]).toBe(4)
  expect(left).toEqual(left.toSorted((a, b) => b - a))
  expect(left.at(-1)).toBeLessThanOrEqual(1)
  expect(output.trimEnd()).toMatch(/; done$/)
  const { total, delivered, failed } = await inbox.metrics()
  expect(output).toContain(`\r${total} accepted, ${delivered} acknowledged, ${failed} failed; done`)
  expect(total).toBeGreaterThan(0)
})

test('the demo counts down while an inbox keeps it waiting, and then says that it does not answer', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const address = silent.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const { status, output, errors } = await run(
    'demo',
    '--url',
    `http://127.0.0.1:${port}`,
    '--seconds',
    '3',
  )
  expect(output).toMatch(/3 s left.* 2 s left.* 1 s left.* 0 s left/s)
  expect(errors).toContain('does not answer')
  expect(status).toBe(1)
})

test('the demo refuses a time or a rate that is none', async () => {
  for (const [flag, value] of [
    ['--seconds', 'soon'],
    ['--seconds', '0'],
    ['--seconds', '3601'],
    ['--rate', '201'],
  ] as const) {
    const { status, errors } = await run('demo', flag, value)
    expect(status).toBe(1)
    expect(errors).toContain(`${flag} must be a number`)
  }
})

test('a token that is made comes with the entry that lets it in', async () => {
  const { status, output } = await run('token', 'shop', 'write')
  expect(status).toBe(0)
  const entry = JSON.parse(/^ +(\{.*\})$/m.exec(output)?.[1] ?? '')
  expect(entry).toEqual({
    name: 'shop',
    token: expect.stringMatching(/^[\w-]{43}$/),
    scopes: ['write'],
  })
  expect((await run('token', 'shop', 'wirte')).status).toBe(1)
})
