import type { EventState, NewEvent } from '../shared/event'
import type { AcceptOutcome, Identity } from '../shared/outcomes'
import { addToSource, type CountsBySource } from '../shared/source-counts'
import type { FormerOutcomes } from './former-owners'
import { cutIntoRows } from './journal'
import type { ShardStore } from './store/shard-store'

/**
 * Accepts each event once. The caller runs it in a transaction.
 * @param former what the owners of the ids under smaller counts know of the events
 * @returns one outcome an event, in order
 */
export function acceptEvents(
  store: ShardStore,
  events: NewEvent[],
  former?: FormerOutcomes,
): AcceptOutcome[] {
  const known = store.events.states(events.map((event) => event.event_id))
  const fresh = new Map<string, NewEvent>()
  for (const event of events) {
    const isKnown = known.has(event.event_id) || former?.get(event)
    if (!isKnown && !fresh.has(event.event_id)) fresh.set(event.event_id, event)
  }
  const createdAt = new Map<string, number>()
  for (const row of cutIntoRows([...fresh.values()])) {
    const asked = row.filter((event) => former?.has(event)).map(({ event_id }) => event_id)
    const created_at = store.accept(row, new Set(asked))
    for (const { event_id } of row) createdAt.set(event_id, created_at)
  }
  const outcomes = events.map((event): AcceptOutcome => {
    const first = known.get(event.event_id)
    if (first) return repeatOf(event, first)
    const twin = fresh.get(event.event_id)
    const created_at = createdAt.get(event.event_id) ?? 0
    const own = { outcome: 'accepted', created_at, status: 'pending' } as const
    if (twin === event) return own
    return former?.get(event) ?? repeatOf(event, { ...twin, ...own })
  })
  const accepted = fresh.size
  const sources = countBySource(events, outcomes)
  if (accepted > 0 || sources.size > 0)
    store.count({ pending: accepted, queue_depth: accepted, happened: { accepted }, sources })
  return outcomes
}

/** Counts what came in by each source. */
function countBySource(events: NewEvent[], outcomes: AcceptOutcome[]): CountsBySource {
  const counts: CountsBySource = new Map()
  for (const [index, { source, event_id }] of events.entries()) {
    const outcome = outcomes[index]
    if (source === undefined || !outcome || outcome.outcome === 'unanswered') continue
    const isNew = outcome.outcome === 'accepted'
    const last = { last_event_id: event_id, last_at: outcome.created_at }
    addToSource(counts, source, isNew ? { accepted: 1, ...last } : { duplicates: 1 })
  }
  return counts
}

/** Decides the outcome of an event whose id is known: it is a duplicate, or the repeat of a request. */
export function repeatOf(
  { fingerprint }: Identity,
  first: Pick<EventState, 'created_at' | 'status' | 'fingerprint'>,
): AcceptOutcome {
  const { created_at, status } = first
  if (fingerprint === undefined) return { outcome: 'duplicate', created_at, status }
  const outcome = first.fingerprint === fingerprint ? 'replayed' : 'mismatch'
  return { outcome, created_at, status }
}
