import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { clientOf } from './world'

/** A folder for a server's storage that is gone when the test is over. */
export function storageFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'event-inbox-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs `npm start` as a person would, in a process group of its own, until its port answers. */
export async function startServer(
  folder: string,
  { port, flags = [] }: { port?: number; flags?: string[] } = {},
) {
  port ??= await freePort()
  const url = `http://localhost:${port}`
  const all = ['start', '--', '--port', String(port), '--persist-to', folder, ...flags]
  const child = spawn('npm', all, { detached: true })
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (output += text))
  let over = false
  const ended = once(child, 'close').finally(() => (over = true))
  /** Signals the whole process group, and waits for its end. */
  const stop = async (signal: NodeJS.Signals = 'SIGINT') => {
    if (child.pid && !over) process.kill(-child.pid, signal)
    await ended
  }
  onTestFinished(() => stop('SIGKILL'))
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
  return { ...clientOf(new URL(url)), port, stop }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address === 'object' && address) return address.port
  throw new Error('no free port')
}
