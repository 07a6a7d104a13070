import { execSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { scripts } from '../../client/package.json'
import { Inbox } from '../../client/index'
import { checked } from './openapi'

/** What tests of the client library share: a client whose network loses what a test says, and the client as it is built. */

interface Request {
  method: string
  path: string
  body: Record<string, unknown>
}

/** Says what the network loses of a request. */
export type Lose = (request: Request) => 'request' | 'answer' | undefined

/** A client of the real worker. `requests` are all that it made, those without an answer too. */
export function clientFor(
  url: URL,
  lose: Lose = () => undefined,
  { token = 'dev-token', repeats }: { token?: string; repeats?: number } = {},
) {
  const requests: Request[] = []
  const fetchWatched = async (to: string, init: RequestInit) => {
    const { pathname, search } = new URL(to)
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : {}
    const request = { method: init.method ?? '', path: pathname + search, body }
    requests.push(request)
    const lost = lose(request)
    if (lost === 'request') throw new TypeError('the network is away')
    const response = await checked(to, init)
    if (lost === 'answer') throw new TypeError('the network was away')
    return response
  }
  const client = new Inbox({ url, token, repeats, fetch: fetchWatched })
  const asked = (path: RegExp) => requests.filter((request) => path.test(request.path))
  return { client, requests, asked }
}

/** Loses the first so many answers of requests whose path matches. */
export function losing(path: RegExp, count = 1): Lose {
  let left = count
  return (request) => (path.test(request.path) && left-- > 0 ? 'answer' : undefined)
}

/** Builds the library and the command line as they are published, into `node_modules` of a new folder. */
export function buildClient() {
  const folder = mkdtempSync(join(tmpdir(), 'event-inbox-client-'))
  const built = join(folder, 'node_modules', 'event-inbox-client')
  mkdirSync(built, { recursive: true })
  symlinkSync(resolve('client/package.json'), join(built, 'package.json'))
  const env = { ...process.env, PATH: `${resolve('node_modules/.bin')}:${process.env.PATH}` }
  const command = scripts.build.replaceAll('dist', join(built, 'dist'))
  execSync(command, { cwd: 'client', env })
  return {
    folder,
    env,
    library: join(built, 'dist/index.js'),
    commandLine: join(built, 'dist/cli.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Runs the command line as it is built, against an inbox. `start` leaves it to the test what is done with it. */
export function runnerOf(built: ReturnType<typeof buildClient>, url: URL) {
  const env = { ...process.env, EVENT_INBOX_URL: url.href, EVENT_INBOX_TOKEN: 'dev-token' }
  const start = (args: string[], more: object = {}) =>
    spawn(process.execPath, [built.commandLine, ...args], {
      cwd: built.folder,
      env: { ...env, ...more },
    })
  const run = async (args: string[], input: string | Buffer = '', more: object = {}) => {
    const child = start(args, more)
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    return endOf(child)
  }
  return Object.assign(run, { start })
}

/** What a process has written when it has ended, and by which status. */
export async function endOf(child: ReturnType<ReturnType<typeof runnerOf>['start']>) {
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { output, errors, status: Number(status) }
}
