/** This module has the events of the benchmark, and makes one request at a time. */
import { Inbox } from '../client/index.ts'
import { type Running, until } from './runtime.ts'

export const EVENT = JSON.stringify({
  payload: { order: 17, customer: 'c-1029', amount: 12.5, items: [{ sku: 'a-1', count: 2 }] },
  metadata: { source: 'shop', type: 'order.paid' },
})
export const batchOf = (events: number) => `[${Array(events).fill(EVENT).join(',')}]`

export const clientOf = ({ url }: { url: URL }) =>
  new Inbox({ url, token: 'dev-token', repeats: 0 })

/** Posts a body as it is: what the client does to events has no part in the figures, and pg-boss needs no ids. */
export async function post({ url }: { url: URL }, body: string): Promise<string> {
  const headers = { Authorization: 'Bearer dev-token', 'Content-Type': 'application/json' }
  const response = await fetch(new URL('/events', url), { method: 'POST', headers, body })
  if (response.status !== 202) throw new Error(await response.text())
  const { data } = (await response.json()) as { data: { event_id: string } }
  return data.event_id
}

/** Sends at least so many events, in batches of `size`. @returns their ids @throws unless each is accepted */
export async function fill(inbox: { url: URL }, events: number, size = 1_000): Promise<string[]> {
  const client = clientOf(inbox)
  const ids: string[] = []
  while (ids.length < events)
    for (const result of await client.send(Array<string>(size).fill(EVENT))) {
      if (result.status !== 'accepted') throw new Error(JSON.stringify(result))
      ids.push(result.event_id)
    }
  return ids
}

/** Resolves once D1 has been told of every accepted event. */
export function drained(inbox: { url: URL }): Promise<number> {
  const client = clientOf(inbox)
  return until(async () => (await client.metrics()).queue_depth === 0)
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
