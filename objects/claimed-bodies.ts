import { readBodies } from '../d1/events'
import { bodyLength, type EventBody, type EventState } from '../shared/event'
import { withTimeout } from '../shared/retry'
import type { ShardContext } from './shard-context'

/** D1 is asked once, for at most this long. */
const TIMEOUT_MS = 2_000

/** Bodies of events. Null: D1 answered, and does not have the event. Those that are missing were not read. */
export type Bodies = Map<string, EventBody | null>

/**
 * Reads bodies in the order of the events, up to so many UTF-16 units and at least one: first from the journal and from
 * what is parked, then from D1.
 * @param askD1 wraps the query; without it only what is at hand is read
 * @throws what D1 throws, and a TimeoutError, when nothing could be read
 */
export async function bodiesOf(
  { env, store }: ShardContext,
  states: Pick<EventState, 'event_id' | 'created_at'>[],
  most: number,
  askD1: (<T>(query: () => Promise<T>) => Promise<T>) | null,
): Promise<Bodies> {
  const held = store.held(states)
  const bodies: Bodies = store.heldBodies(
    states.filter(({ event_id }) => held.has(event_id)),
    most,
  )
  const elsewhere = states.map(({ event_id }) => event_id).filter((id) => !held.has(id))
  const chars = [...bodies.values()].reduce((sum, body) => sum + (body ? bodyLength(body) : 0), 0)
  if (!askD1 || elsewhere.length === 0 || chars >= most) return bodies
  try {
    const query = () => withTimeout(readBodies(env.DB, elsewhere, most - chars), TIMEOUT_MS)
    const rows = await askD1(query)
    for (const id of elsewhere) bodies.set(id, null)
    for (const { event_id, payload, metadata } of rows) {
      if (payload === null) bodies.delete(event_id)
      else bodies.set(event_id, { payload, metadata })
    }
  } catch (error) {
    if (bodies.size === 0) throw error
  }
  return bodies
}
