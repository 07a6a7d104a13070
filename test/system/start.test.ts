import { cpSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { serve, startServer, storageFolder } from '../support/server-process'

const NOT_CLONED = ['node_modules', '.git', '.wrangler']

/** A folder as a clone with its packages installed is one. */
function clone(): string {
  const folder = storageFolder()
  cpSync('.', folder, {
    recursive: true,
    filter: (path) => !NOT_CLONED.includes(basename(path)),
  })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  return folder
}

const start = (folder: string) => serve(['npm', 'start'], folder)

/** Whether something listens where a debugger is looked for by default. */
const inspected = () =>
  fetch('http://127.0.0.1:9229/json/version').then(
    () => true,
    () => false,
  )

test('`npm start` with a folder serves there, with the schema in place, and keeps what it stored', async () => {
  const folder = storageFolder()
  const first = await startServer(folder)
  expect((await first.post({ event_id: 'kept', payload: {} })).status).toBe(202)
  await first.stop()

  const second = await startServer(folder)
  expect(await second.client.list()).toMatchObject({
    data: [{ event_id: 'kept', status: 'pending' }],
    total: 1,
    unstored: 0,
  })
  expect(await (await fetch(second.url)).text()).toContain('<event-inbox')
  await second.stop()
}, 240_000)

test('`npm start` several times at once, from two clones, makes as many servers with events of their own', async () => {
  const [one, other] = [clone(), clone()]
  const before = await inspected()
  const servers = await Promise.all([start(one), start(other), start(one)])
  // None has the port that all of them would look at first.
  expect(await inspected()).toBe(before)
  expect(new Set(servers.map(({ url }) => url.port)).size).toBe(servers.length)
  for (const [n, server] of servers.entries()) await server.postId(`of-server-${n}`)
  for (const [n, server] of servers.entries()) {
    const { data } = await server.client.list()
    expect(data.map(({ event_id }) => event_id)).toEqual([`of-server-${n}`])
  }
  const said =
    'Another server uses .wrangler/state: this one keeps its events in .wrangler/state-2.'
  expect(servers.filter((server) => server.output().includes(said))).toHaveLength(1)
}, 240_000)

test('`npm start` takes another port when something else has the default one', async () => {
  const other = createServer()
  onTestFinished(() => void other.close())
  await new Promise<void>((taken) => {
    other.on('error', () => taken()).listen(8787, '127.0.0.1', taken)
  })
  const { url, metrics } = await start(clone())
  expect(url.port).not.toBe('8787')
  expect(await metrics()).toMatchObject({ total: 0 })
}, 240_000)

test('`npm start` refuses a named folder that another server uses, also one whose `npm start` was killed', async () => {
  const folder = storageFolder()
  const first = await startServer(folder)
  const refusal = `Another server uses ${folder}. Stop it, or name another folder: npm start -- --persist-to DIR`
  await expect(startServer(folder)).rejects.toThrow(refusal)
  await first.stop()

  const command = ['scripts/start.ts', '--port', '0', '--persist-to', folder]
  const second = await serve([process.execPath, ...command])
  process.kill(second.pid, 'SIGKILL')
  await expect(startServer(folder)).rejects.toThrow(refusal)
  expect(await second.metrics()).toMatchObject({ total: 0 })
  await second.stop('SIGKILL')
  await (await startServer(folder)).stop()
}, 240_000)
