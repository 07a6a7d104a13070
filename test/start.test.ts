import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { AUTHORIZED } from './world'

test('`npm start` with a port and a folder serves there, with the schema in place, and keeps what it stored', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'event-inbox-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const first = await start(folder)
  const headers = { ...AUTHORIZED, 'Content-Type': 'application/json' }
  const posted = await fetch(`${first.url}/events`, {
    method: 'POST',
    headers,
    body: '{"event_id":"kept","payload":{}}',
  })
  expect(posted.status).toBe(202)
  await first.stop()

  const second = await start(folder)
  const listed = await fetch(`${second.url}/inbox`, { headers })
  expect(await listed.json()).toMatchObject({
    data: [{ event_id: 'kept', status: 'pending' }],
    total: 1,
    unstored: 0,
  })
  expect(await (await fetch(second.url)).text()).toContain('<event-inbox')
  await second.stop()
})

/** Runs `npm start` as a person would, in a process group of its own, until its port answers. */
async function start(folder: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const child = spawn('npm', ['start', '--', '--port', String(port), '--persist-to', folder], {
    detached: true,
  })
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (output += text))
  let over = false
  const ended = once(child, 'close').finally(() => (over = true))
  const stop = async () => {
    if (child.pid && !over) process.kill(-child.pid, 'SIGINT')
    await ended
  }
  onTestFinished(stop)
  await expect
    .poll(
      () =>
        fetch(`${url}/health`).then(
          (response) => response.status,
          () => `not up: ${output}`,
        ),
      { timeout: 40_000 },
    )
    .toBe(200)
  return { url, stop }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address === 'object' && address) return address.port
  throw new Error('no free port')
}
