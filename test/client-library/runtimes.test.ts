import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { createTestHarness } from 'wrangler'
import packageJson from '../../client/package.json'
import { buildClient } from '../support/client'
import { launch } from '../support/browser'
import { test as base } from '../support/world'

/** The library as it is published: how large it is, and that it runs where it says. */

const MOST_BYTES = 6_000

const test = base.extend('built', { scope: 'file' }, async ({ server }, { onCleanup }) => {
  await server.listen()
  const built = buildClient()
  onCleanup(built.remove)
  return built
})

/** Sends an event, and works on it. It answers what it saw as JSON. */
const script = (from: string, url: URL) => `
  const { Inbox } = await import('${from}')
  const inbox = new Inbox({ url: '${url.href}', token: 'dev-token' })
  const sent = await inbox.send({ payload: { from: 'a script' } })
  const stop = new AbortController()
  const seen = []
  await inbox.consume({ signal: stop.signal, concurrency: 4 }, (event) => {
    seen.push(event.event_id)
    stop.abort()
  })
  const { status } = await inbox.get(sent.event_id)
`
const DONE = { sent: { status: 'accepted' }, seen: [expect.any(String)], status: 'delivered' }

test('is small, and needs nothing else', ({ built }) => {
  const source = readFileSync(built.library)
  expect(gzipSync(source, { level: 9 }).length).toBeLessThan(MOST_BYTES)
  expect(String(source)).not.toMatch(/\bimport\b|\brequire\b/)
  expect(Object.keys(packageJson)).not.toContain('dependencies')
})

test('runs in Node', async ({ built, inbox }) => {
  // Where the system has a Node of its own, that one, too: it may be as old as 20.
  for (const node of [process.execPath, '/usr/bin/node'].filter(existsSync)) {
    const code = `${script('event-inbox-client', inbox.url)}
      console.log(JSON.stringify({ sent, seen, status }))`
    writeFileSync(join(built.folder, 'run.mjs'), code)
    const output = execFileSync(node, ['run.mjs'], { cwd: built.folder, encoding: 'utf8' })
    expect(JSON.parse(output)).toMatchObject(DONE)
  }
})

test('runs in a Worker', async ({ inbox }) => {
  const config = {
    name: 'client',
    main: 'test/support/client-worker.ts',
    compatibility_date: '2026-11-17',
  }
  const server = createTestHarness({ workers: [{ config: config as never }] })
  try {
    const { url } = await server.listen()
    const body = JSON.stringify({ url: inbox.url.href })
    const answer = await (await fetch(url, { method: 'POST', body })).json()
    expect(answer).toMatchObject(DONE)
  } finally {
    await server.close()
  }
})

test('runs in a browser', async ({ built, inbox }) => {
  const browser = await launch()
  try {
    const page = await browser.newPage()
    const body = readFileSync(built.library, 'utf8')
    await page.route('**/client.js', (route) =>
      route.fulfill({ body, contentType: 'text/javascript' }),
    )
    await page.goto(inbox.url.href)
    const code = `${script('/client.js', inbox.url)}; return { sent, seen, status }`
    expect(await page.evaluate(`(async () => { ${code} })()`)).toMatchObject(DONE)
  } finally {
    await browser.close()
  }
})

test('has types for those who use it in strict TypeScript', ({ built }) => {
  writeFileSync(
    join(built.folder, 'use.mts'),
    `import { Inbox, InboxError, Nack, type ClaimedEvent } from 'event-inbox-client'
    const inbox = new Inbox({ url: 'http://localhost:8787', token: 'dev-token' })
    const one: string | null = (await inbox.send({ payload: { n: 1 } })).event_id
    const many: (string | null)[] = (await inbox.send([{ payload: {} }])).map((each) => each.event_id)
    await inbox.consume({ concurrency: 8 }, async (event: ClaimedEvent, { signal }) => {
      if (signal.aborted || event.attempt > 3) throw new Nack('no', { delaySeconds: 5 })
    })
    for await (const event of inbox.consume()) event.signal.throwIfAborted()
    // @ts-expect-error: a payload is an object
    await inbox.send({ payload: 17 })
    // @ts-expect-error: there is no such status
    await inbox.list({ status: 'done' })
    // @ts-expect-error: there is no such event
    if ((await inbox.get('a')).status === 'done') throw new InboxError(0, {})
    export { many, one }`,
  )
  const flags = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--noEmit']
  const exact = [
    '--exactOptionalPropertyTypes',
    '--ignoreConfig',
    '--skipLibCheck',
    'false',
    '--types',
    '',
  ]
  const { stdout, status } = spawnSync('node_modules/.bin/tsc', [
    ...flags,
    ...exact,
    join(built.folder, 'use.mts'),
  ])
  expect([String(stdout), status]).toEqual(['', 0])
})
