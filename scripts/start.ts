/**
 * Runs `wrangler dev` with the D1 schema in place; this is `npm start`.
 * The server gets a storage folder and a port that no other server uses.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { applySchema } from './apply-schema.ts'

const DEFAULT_FOLDER = '.wrangler/state'
const DEFAULT_PORT = 8787
/** A lock is waited for this long: a server that was just killed may still be letting go of it. */
const LOCK_TIMEOUT_MS = 1_000

const flags = process.argv.slice(2)
const { values } = parseArgs({
  args: flags,
  strict: false,
  options: {
    'persist-to': { type: 'string' },
    port: { type: 'string' },
    'inspector-port': { type: 'string' },
  },
})

/** The locks that this process holds. The system releases them when the process ends, however it ends. */
const locks: DatabaseSync[] = []

const named = values['persist-to']
const folder = typeof named === 'string' ? takeNamed(named) : takeDefault()
if (named === undefined) flags.push('--persist-to', folder)
if (values.port === undefined) flags.push('--port', String(await choosePort()))
// wrangler would look for a free port and bind it seconds later, when another server may have it; 0 avoids that.
if (values['inspector-port'] === undefined) flags.push('--inspector-port', '0')

try {
  applySchema(['--local', '--persist-to', folder])
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error('The D1 schema could not be applied; see above.')
  process.exit(1)
}

const server = spawn('wrangler', ['dev', ...flags], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => server.kill(signal))
server.on('exit', (code, signal) => process.exit(code ?? (signal ? 0 : 1)))

function takeNamed(name: string): string {
  if (take(name)) return name
  console.error(
    `Another server uses ${name}. Stop it, or name another folder: npm start -- --persist-to DIR`,
  )
  process.exit(1)
}

function takeDefault(): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? DEFAULT_FOLDER : `${DEFAULT_FOLDER}-${n}`
    if (!take(name)) continue
    if (n > 1)
      console.log(`Another server uses ${DEFAULT_FOLDER}: this one keeps its events in ${name}.`)
    return name
  }
}

/**
 * Takes a storage folder for this server alone.
 * Two servers on the same files would each have clocks and counts of their own.
 * @returns false when another server uses it
 */
function take(name: string): boolean {
  mkdirSync(name, { recursive: true })
  if (!lock(join(name, 'in-use.sqlite'))) return false
  // A server may outlive an `npm start` that was killed: its workerd has this file open, but our lock is gone.
  const opened = join(name, 'v3/d1/miniflare-D1DatabaseObject/metadata.sqlite')
  if (!existsSync(opened)) return true
  const free = lock(opened)
  // This releases the file's lock, which was only a test, or else the folder's.
  locks.pop()?.close()
  return free
}

/** Locks a SQLite file until this process ends. @returns false when another process has it open or locked */
function lock(file: string): boolean {
  const database = new DatabaseSync(file, { timeout: LOCK_TIMEOUT_MS })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    locks.push(database)
    return true
  } catch (error) {
    database.close()
    if (error instanceof Error && error.message.includes('is locked')) return false
    throw error
  }
}

/**
 * Picks the default port, unless another server has it or is about to take it.
 * @returns 0 then: the system finds a free port at the moment it is bound
 */
async function choosePort(): Promise<number> {
  const user = process.getuid?.() ?? 'user'
  const mine = join(tmpdir(), `event-inbox-${DEFAULT_PORT}-${user}.sqlite`)
  if (!(await answers(DEFAULT_PORT)) && lock(mine)) return DEFAULT_PORT
  console.log(`Port ${DEFAULT_PORT} is taken: "Ready on", below, says which one this server has.`)
  return 0
}

function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, 'localhost', () => resolve(true)).on('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
