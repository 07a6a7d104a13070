/** This module has the events of the benchmark, and makes one request at a time. */
import { type Running, until } from './runtime.ts'

export const EVENT = JSON.stringify({
  payload: { order: 17, customer: 'c-1029', amount: 12.5, items: [{ sku: 'a-1', count: 2 }] },
  metadata: { source: 'shop', type: 'order.paid' },
})
export const batchOf = (events: number) => `[${Array(events).fill(EVENT).join(',')}]`

const HEADERS = { Authorization: 'Bearer dev-token', 'Content-Type': 'application/json' }

export async function post({ url }: { url: URL }, body: string): Promise<string> {
  const response = await fetch(new URL('/events', url), { method: 'POST', headers: HEADERS, body })
  if (response.status !== 202) throw new Error(await response.text())
  const { data } = (await response.json()) as { data: { event_id: string } }
  return data.event_id
}

export async function get({ url }: { url: URL }, path: string) {
  const response = await fetch(new URL(path, url), { headers: HEADERS })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as { data: { queue_depth: number; total: number } }
}

/** Resolves once D1 has been told of every accepted event. */
export function drained(inbox: { url: URL }): Promise<number> {
  return until(async () => (await get(inbox, '/metrics')).data.queue_depth === 0)
}

/** Counts the events that the worker's D1 has. */
export async function rowsOf(worker: Running): Promise<number> {
  const database = await worker.database()
  return Number(await database.prepare('SELECT count(*) AS n FROM events').first('n'))
}

/** Does the work. @returns how long it took, in ms */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
