import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { stripVTControlCharacters } from 'node:util'
import { onTestFinished } from 'vitest'
import { withTimeout } from '../../shared/retry'
import { clientOf } from './world'

/** Seconds are the rule; other tests may keep every core busy. */
const START_TIMEOUT_MS = 90_000

/** Has something done when the test is over. Tests that run at the same time have one of their own. */
type AtEnd = (work: () => void | Promise<void>) => void

/** A folder that is gone when the test is over. */
export function storageFolder(atEnd: AtEnd = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), 'event-inbox-'))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs `npm start` with its storage in `folder`, on ports that the system finds as they are bound. */
export function startServer(folder: string, flags: string[] = [], atEnd?: AtEnd) {
  const command = ['npm', 'start', '--', '--port', '0', '--persist-to', folder, ...flags]
  return serve(command, process.cwd(), atEnd)
}

/**
 * Runs a command, in a process group of its own, until it says where it serves.
 * @throws with its output, at once when it ends before that
 */
export async function serve(
  [command = '', ...flags]: string[],
  cwd = process.cwd(),
  atEnd: AtEnd = onTestFinished,
) {
  const child = spawn(command, flags, { cwd, detached: true })
  const ready = Promise.withResolvers<URL>()
  let output = ''
  const read = (text: Buffer) => {
    output += stripVTControlCharacters(String(text))
    const url = /Ready on (http:\S+)\n/.exec(output)?.[1]
    if (url) ready.resolve(new URL(url))
  }
  child.stdout.on('data', read)
  child.stderr.on('data', read)
  let state: 'starting' | 'up' | 'stopping' | 'over' = 'starting'
  const ended = once(child, 'close').then(() => {
    ready.reject(new Error('it has ended'))
    if (state === 'up') console.error(`a server ended by itself:\n${output}`)
    state = 'over'
  })
  /** Signals the whole process group, and waits for its end. */
  const stop = async (signal: NodeJS.Signals = 'SIGINT') => {
    if (child.pid && state !== 'over') {
      state = 'stopping'
      process.kill(-child.pid, signal)
    }
    await ended
  }
  atEnd(() => stop('SIGKILL'))
  const url = await withTimeout(ready.promise, START_TIMEOUT_MS).catch((error) => {
    throw new Error(`the server is not up: ${error}\n${output}`)
  })
  state = 'up'
  return { ...clientOf(url), pid: child.pid ?? 0, output: () => output, stop }
}

/** Opens a SQLite file of a server. One that has just been killed may not have let go of it yet. */
export const openFile = (path: string) => new DatabaseSync(path, { timeout: 20_000 })

/** A port that stays taken while the servers behind it come and go: connections go to the one it was last told of. */
export async function relay() {
  let target = 0
  const server = createServer((socket) => {
    const onward = connect(target, 'localhost')
    socket.pipe(onward).pipe(socket)
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('no port')
  return {
    url: new URL(`http://127.0.0.1:${address.port}`),
    to: ({ port }: URL) => void (target = Number(port)),
  }
}
