import type { EventState } from '../shared/event'
import { applyTransition, type Verb } from '../shared/lifecycle'
import type { MoveOutcome, NackKey } from '../shared/outcomes'
import { addMove, type CountChanges } from './store/counters'
import type { ShardStore } from './store/shard-store'

/** A change of status that a consumer or an operator asks for. */
export interface Move {
  verb: Verb
  ids: string[]
  /** The reason of the dead letter, when the move fails an event. */
  reason?: string
  key?: NackKey | undefined
}

/**
 * Moves events from one status to another. The caller runs it in a transaction.
 * @returns one outcome an id, in order
 */
export function moveEvents(
  store: ShardStore,
  { verb, ids, reason = '', key }: Move,
  maxRetries: number,
): MoveOutcome[] {
  const states = store.events.states(ids)
  const at = store.clock.nextTimestamp()
  const moved: EventState[] = []
  const changes: CountChanges = {}
  const outcomes = ids.map((id): MoveOutcome => {
    const state = states.get(id)
    if (!state) return { outcome: 'unknown' }
    if (key && state.nack_key === key.nack_key)
      return state.nack_body === key.nack_body
        ? { outcome: 'moved', event: state, replayed: true }
        : { outcome: 'mismatch', status: state.status }
    const next = applyTransition(verb, state, at, maxRetries)
    if (!next) return { outcome: 'refused', status: state.status }
    const event = { ...next, ...key }
    states.set(id, event)
    moved.push(event)
    addMove(changes, state.status, event.status)
    return { outcome: 'moved', event }
  })
  if (moved.length > 0) write(store, verb, moved, changes, reason)
  const events = outcomes.flatMap((each) => (each.outcome === 'moved' ? [each.event] : []))
  const shown = new Map(store.shown(events).map((event, index) => [events[index], event]))
  return outcomes.map((each) =>
    each.outcome === 'moved' ? { ...each, event: shown.get(each.event) ?? each.event } : each,
  )
}

function write(
  store: ShardStore,
  verb: Verb,
  moved: EventState[],
  changes: CountChanges,
  reason: string,
): void {
  store.events.update(moved)
  const ids = moved.map((event) => event.event_id)
  store.appendToJournal(verb === 'retry' ? 'redrive' : 'change', moved)
  if (verb === 'retry') {
    store.letters.delete(ids)
    changes.queue_depth = store.parked.resume(ids, Date.now())
  }
  store.count(changes)
  const failed = moved.filter((event) => event.status === 'failed')
  store.letters.add(
    failed.map(({ event_id, updated_at }) => ({ event_id, reason, failed_at: updated_at })),
  )
}

/**
 * Removes events here and, by the journal, from D1. The caller runs it in a transaction.
 * @param deliveredBefore keeps those that were not delivered before this moment
 * @returns the ids of those removed
 */
export function removeEvents(
  store: ShardStore,
  ids: string[],
  deliveredBefore: number | undefined,
): string[] {
  const found = [...store.events.states(ids).values()].filter(
    ({ status, updated_at }) =>
      deliveredBefore === undefined || (status === 'delivered' && updated_at < deliveredBefore),
  )
  if (found.length === 0) return []
  const changes: CountChanges = { queue_depth: -store.remove(found) }
  for (const { status } of found) changes[status] = (changes[status] ?? 0) - 1
  store.appendToJournal('delete', found)
  store.count(changes)
  return found.map(({ event_id }) => event_id)
}
