/** Measures an idle inbox: how long one thing takes, and how many readers it serves. */
import { percentile, type Result, spread, table } from './report.ts'
import { INBOX_OPTIONS, type Load, loadReads, start, until, withSchema } from './runtime.ts'
import { batchOf, clientOf, drained, EVENT, fill, post, rowsOf, timed } from './workload.ts'

const READERS = 32

export async function alone(
  events: number,
  rounds: number,
  seconds: number,
  progress: (what: string) => void,
): Promise<{ text: string; results: Result[] }> {
  const inbox = await withSchema(await start('alone', 'worker.ts', INBOX_OPTIONS))
  const database = await inbox.database()
  const times = async (count: number, work: () => Promise<unknown>) => {
    const all: number[] = []
    for (let round = 0; round < count; round++) all.push(await timed(work))
    return all
  }
  progress('one at a time')
  const one = await times(100, async () => {
    const id = await post(inbox, EVENT)
    const find = database.prepare('SELECT 1 AS found FROM events WHERE event_id = ?').bind(id)
    await until(async () => (await find.first('found')) === 1)
  })
  let rows = await rowsOf(inbox)
  const thousand = await times(20, async () => {
    await post(inbox, batchOf(1_000))
    rows += 1_000
    await until(async () => (await rowsOf(inbox)) === rows)
  })
  progress(`filling up to ${events} events`)
  rows += (await fill(inbox, events - rows)).length
  await drained(inbox)
  const client = clientOf(inbox)
  const pages = await times(100, () => client.list())
  const counts = await times(100, () => client.metrics())

  const paths = ['/inbox', '/metrics']
  const reads: Record<string, Load[]> = {}
  for (let round = 0; round <= rounds; round++) {
    progress(`reads, round ${round} of ${rounds}`)
    for (const path of paths) {
      const answers = await loadReads(inbox.url, path, seconds, READERS)
      if (round > 0) (reads[path] ??= []).push(answers)
    }
  }
  await inbox.stop()

  const column = (path: string, pick: (each: Load) => number) =>
    spread((reads[path] ?? []).map(pick))
  const text = table([
    [`${READERS} connections, ${rows} events`, 'answers a second', 'p50, ms', 'p99, ms'],
    ...paths.map((path) => [
      `GET ${path}`,
      column(path, ({ rate }) => rate),
      column(path, ({ p50 }) => p50),
      column(path, ({ p99 }) => p99),
    ]),
  ])
  const p95 = (name: string, all: number[], atMost: number) => ({
    name: `${name}: p95, ms`,
    values: [percentile(all, 0.95)],
    digits: 1,
    atMost,
  })
  return {
    text,
    results: [
      p95('one event, from the post to its row in D1', one, 50),
      p95('1,000 events in a batch, from the post to their rows in D1', thousand, 100),
      p95(`GET /metrics, with ${rows} events`, counts, 50),
      p95(`GET /inbox, with ${rows} events`, pages, 200),
    ],
  }
}
