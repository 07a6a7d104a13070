/**
 * Posts for a minute and more, to the inbox and to an empty call.
 * Times and memory that grow in both are the runtime's doing, and not the inbox's.
 */
import { type Result, table } from './report.ts'
import { INBOX_OPTIONS, load, type Running, start, withSchema } from './runtime.ts'
import { drained, EVENT } from './workload.ts'

const WINDOW_SECONDS = 10

async function windows(worker: Running, seconds: number, progress: (what: string) => void) {
  const all = []
  for (let second = 0; second < seconds; second += WINDOW_SECONDS) {
    progress(`sustained load of ${worker.name}, second ${second} of ${seconds}`)
    const answers = await load(worker.url, EVENT, WINDOW_SECONDS)
    all.push({ ...answers, size: worker.residentSize() })
  }
  return all
}

export async function sustained(
  seconds: number,
  progress: (what: string) => void,
): Promise<{ text: string; results: Result[] }> {
  const bare = { ...INBOX_OPTIONS, assets: undefined }
  const inbox = await withSchema(await start('inbox', 'worker.ts', bare))
  const own = await windows(inbox, seconds, progress)
  await drained(inbox)
  await inbox.stop()
  const empty = await start('empty', 'bench/ceiling.ts', {
    durableObjects: { SHARD: { className: 'Empty', useSQLite: true } },
  })
  const runtime = await windows(empty, seconds, progress)
  await empty.stop()

  const text = table([
    ['Sustained load, seconds', ...own.map((_, n) => `${n * 10} to ${n * 10 + 10}`)],
    ['inbox: answers a second', ...own.map(({ rate }) => rate.toFixed(0))],
    ['p50, ms', ...own.map(({ p50 }) => String(p50))],
    ['p99, ms', ...own.map(({ p99 }) => String(p99))],
    ['resident size of workerd, MB', ...own.map(({ size }) => size.toFixed(0))],
    ['empty call: p50, ms', ...runtime.map(({ p50 }) => String(p50))],
    ['p99, ms', ...runtime.map(({ p99 }) => String(p99))],
    ['resident size of workerd, MB', ...runtime.map(({ size }) => size.toFixed(0))],
  ])
  type What = 'p50' | 'p99' | 'size'
  const growth = (all: typeof own, what: What) =>
    ((all[5] ?? all.at(-1))?.[what] ?? Number.NaN) / (all[0]?.[what] ?? Number.NaN)
  const result = (name: string, what: What) => ({
    name: `${name} after a minute to after 10 s (an empty call's: ${growth(runtime, what).toFixed(2)})`,
    values: [growth(own, what)],
    atMost: Math.max(1.2, Number(growth(runtime, what).toFixed(2))),
  })
  return {
    text,
    results: [
      result('p50', 'p50'),
      result('p99', 'p99'),
      result("workerd's resident size", 'size'),
    ],
  }
}
