/** This module runs workers in workerd with their storage on disk, and load from a process of its own. */
import { spawn, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare, type V4WorkerOptions } from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from 'wrangler'

const INBOX = unstable_getMiniflareWorkerOptions('wrangler.jsonc').workerOptions
/** The inbox's options in `wrangler.jsonc`. Miniflare refuses rules for modules, and the bundle needs none. */
export const { modulesRules: _, ...INBOX_OPTIONS } = INBOX as V4WorkerOptions & {
  modulesRules?: unknown
}

/** Of /proc, on Linux. */
const TICKS_A_SECOND = 100

const folders = new Set<string>()
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Makes an empty folder that is removed when this process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `bench-${name}-`))
  folders.add(folder)
  return folder
}

/** Bundles a worker and runs it in a workerd of its own, with empty storage on disk. `inspected` lets a profiler in. */
export async function start(
  name: string,
  main: string,
  options: Record<string, unknown>,
  inspected = false,
) {
  const folder = temporaryFolder(name)
  const bundle = await build({
    entryPoints: [main],
    bundle: true,
    format: 'esm',
    write: false,
    external: ['cloudflare:*'],
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'error',
  })
  const before = childrenNamed('workerd')
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      resourcePersistencePath: folder,
      logRequests: false,
      ...(inspected && { inspectorPort: 0 }),
      handleStructuredLogs: () => {},
      workers: [
        {
          compatibilityDate: INBOX_OPTIONS.compatibilityDate,
          ...options,
          name,
          modules: [
            { type: 'ESModule', path: 'worker.js', contents: bundle.outputFiles[0]?.text ?? '' },
          ],
        } as V4WorkerOptions,
      ],
    }),
  )
  const url = await miniflare.ready
  const pid = childrenNamed('workerd').find((each) => !before.includes(each))
  return {
    name,
    url,
    miniflare,
    /** Returns the memory of workerd, in MB. */
    residentSize: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
    /** CPU time that workerd has taken so far, in microseconds. */
    cpu: () => {
      const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
      const [user = 0, system = 0] = fields.split(' ').slice(11, 13).map(Number)
      return ((user + system) / TICKS_A_SECOND) * 1_000_000
    },
    database: async () => {
      const database = await miniflare.getD1Database('DB', name)
      return database as unknown as D1Database
    },
    stop: async () => {
      await miniflare.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type Running = Awaited<ReturnType<typeof start>>

/** Puts the tables of `schema.sql` into the worker's D1. */
export async function withSchema(worker: Running): Promise<Running> {
  const database = await worker.database()
  for (const statement of unstable_splitSqlQuery(readFileSync('schema.sql', 'utf8')))
    await database.prepare(statement).run()
  return worker
}

function childrenNamed(name: string): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)])
  const listed = String(stdout ?? '')
  return listed
    .split('\n')
    .filter((line) => line.includes(name))
    .map((line) => Number.parseInt(line))
}

export interface Load {
  /** Answered requests a second. */
  rate: number
  answered: number
  p50: number
  p99: number
}

/**
 * Posts `body` again and again over so many connections.
 * @param rate bounds the posts a second, if it is given
 * @throws unless every answer is a success
 */
export function load(
  url: URL,
  body: string,
  seconds: number,
  connections = 64,
  rate?: number,
): Promise<Load> {
  const pace = rate ? ['--overallRate', String(rate)] : []
  const post = ['--method', 'POST', '--body', body, ...pace]
  return askFor(seconds, new URL('/events', url), connections, post)
}

/** Gets a path again and again. @throws unless every answer is a success */
export function loadReads(
  url: URL,
  path: string,
  seconds: number,
  connections: number,
): Promise<Load> {
  return askFor(seconds, new URL(path, url), connections, [])
}

/** Posts a delivery of GitHub, each with an id of its own, to the development source. */
export function loadDeliveries(url: URL, body: string, seconds: number): Promise<Load> {
  const signature = createHmac('sha256', 'development-secret').update(body).digest('hex')
  return askFor(
    seconds,
    new URL('/in/github', url),
    64,
    ['--method', 'POST', '--body', body, '--idReplacement'],
    [
      'X-GitHub-Event=push',
      // An argument that ended with a bracket would be taken for a list.
      'X-GitHub-Delivery=[<id>].',
      `X-Hub-Signature-256=sha256=${signature}`,
      'Content-Type=application/json',
    ],
  )
}

async function askFor(
  seconds: number,
  url: URL,
  connections: number,
  request: string[],
  headers = ['Authorization=Bearer dev-token', 'Content-Type=application/json'],
): Promise<Load> {
  const extent = ['--connections', String(connections), '--duration', String(seconds)]
  const child = spawn(
    'autocannon',
    [
      '--json',
      ...extent,
      ...request,
      ...headers.flatMap((header) => ['--headers', header]),
      url.href,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  const { errors, timeouts, non2xx, duration, latency, ...rest } = JSON.parse(output)
  const answered: number = rest['2xx']
  if (errors + timeouts + non2xx > 0 || answered === 0)
    throw new Error(`${url}: ${errors} errors, ${timeouts} timeouts, ${non2xx} refused`)
  return { rate: answered / duration, answered, p50: latency.p50, p99: latency.p99 }
}

/** Asks until `holds` is true. @returns how long that took, in ms @throws after `timeoutMs` */
export async function until(holds: () => Promise<boolean>, timeoutMs = 60_000): Promise<number> {
  const startedAt = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedAt > timeoutMs) throw new Error(`not within ${timeoutMs} ms`)
  }
  return performance.now() - startedAt
}
