/** This module starts a PostgreSQL for the benchmark, configured as it comes: with fsync on. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { temporaryFolder } from './runtime.ts'

/** Starts Fastify and pg-boss on a PostgreSQL of their own. @returns null where PostgreSQL is not installed */
export async function startJobQueue() {
  const postgres = await startPostgres()
  if (!postgres) return null
  const app = spawn(process.execPath, ['bench/job-queue.ts', postgres.folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = new URL(await lineWith(app, app.stdout, 'http://'))
  return {
    url,
    /** Counts the jobs that the queue holds. */
    count: async () => {
      const response = await fetch(new URL('/count', url))
      const { jobs } = (await response.json()) as { jobs: number }
      return jobs
    },
    /** Works off all jobs by so many consumers. @returns jobs a second */
    consume: async (consumers: number) => {
      const response = await fetch(new URL(`/consume/${consumers}`, url), { method: 'POST' })
      const { jobs, ms } = (await response.json()) as { jobs: number; ms: number }
      return (jobs / ms) * 1_000
    },
    stop: async () => {
      await ended(app, 'SIGTERM')
      await postgres.stop()
    },
  }
}

/** Starts an empty cluster in a folder of its own. A socket in that folder reaches it, so it takes no port. */
async function startPostgres() {
  // Debian keeps each version's programs apart.
  const [initdb] = globSync('/usr/lib/postgresql/*/bin/initdb').toSorted().toReversed()
  if (!initdb) return null
  const user = unprivileged()
  const folder = temporaryFolder('postgres')
  if (user) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const options = { cwd: folder, ...user }
  execFileSync(initdb, ['--pgdata', data, '--username', 'bench', '--auth', 'trust'], {
    ...options,
    stdio: 'ignore',
  })
  const server = spawn(
    initdb.replace(/initdb$/, 'postgres'),
    ['-D', data, '-k', folder, '-c', 'listen_addresses='],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await lineWith(server, server.stderr, 'ready to accept connections')
  return {
    folder,
    stop: async () => {
      // SIGINT is a fast shutdown, which closes connections.
      await ended(server, 'SIGINT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Finds the user to run PostgreSQL as. It refuses root; then that is the user that its package made. */
function unprivileged(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const id = (what: string) => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Waits for the first line that has `part`. @throws Error with the whole output when there is none */
async function lineWith(child: ChildProcess, output: Readable, part: string): Promise<string> {
  process.once('exit', () => child.kill())
  const seen: string[] = []
  for await (const line of createInterface({ input: output })) {
    seen.push(line)
    if (line.includes(part)) {
      output.resume()
      return line
    }
  }
  throw new Error(`${child.spawnfile} ended: ${seen.join('\n')}`)
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null) return
  const close = once(child, 'close')
  child.kill(signal)
  await close
}
