import { type PairKey, subscriptionsByEvent } from '../shared/dead-letter'
import type { EventState } from '../shared/event'
import type { Verb } from '../shared/lifecycle'
import type { ByHand, MoveOutcome, NackKey } from '../shared/outcomes'
import { pairsOfLetter } from './letters'
import { type Act, type Actor, Moves } from './moves'
import { isOpen, type OpenPair, type Pairs, pairsOf } from './pairs'
import type { Policy } from './policy'
import { addToSubscription, type CountsBySubscription } from '../shared/subscription-counts'
import type { CountChanges } from './store/counters'
import type { Taken } from './store/places'
import type { ShardStore } from './store/shard-store'

/** What an operator asks for by the ids of events, whoever holds them. */
export interface Move extends ByHand {
  verb: Verb
  ids: string[]
  /** The reason of the dead letter, when the move fails an event. */
  reason?: string
  key?: NackKey | undefined
  /** The dead letters of these events that a retry is about; otherwise about all. */
  letters?: PairKey[] | undefined
}

/**
 * Moves events in one subscription, or in all in which that can be done. The caller runs it in a transaction.
 * @returns one outcome an id, in order
 */
export function moveEvents(store: ShardStore, move: Move, policy: Policy): MoveOutcome[] {
  const { verb, ids, key, subscription, by = '' } = move
  const states = store.events.states(ids)
  const act: Act =
    verb === 'nack'
      ? { verb, reason: move.reason ?? '', delay_ms: move.delay_ms ?? null }
      : { verb }
  const actor: Actor = { by }
  const only = move.letters && onlyOf(store, move.letters)
  const wanted = [...states.values()].flatMap((state) => {
    const own = pairsOf(state)
    const names = only?.(state, own) ?? (subscription === undefined ? own.keys() : [subscription])
    return [...names].map((name) => ({ state, name, pair: own.get(name) }))
  })
  const isRepeat = (state: EventState) => key !== undefined && state.nack_key === key.nack_key
  const held = takeOut(
    store,
    wanted.filter(({ state, pair }) => verb !== 'retry' && isOpen(pair) && !isRepeat(state)),
  )
  const moves = new Moves(store, policy)
  const byId = Map.groupBy(wanted, ({ state }) => state.event_id)
  const outcomes = ids.map((id): MoveOutcome => {
    const found = states.get(id)
    if (!found) return { outcome: 'unknown' }
    if (key && isRepeat(found))
      return found.nack_body === key.nack_body
        ? { outcome: 'moved', event: found, replayed: true }
        : { outcome: 'mismatch', status: found.status }
    const isMoved = (byId.get(id) ?? [])
      .map(({ name }) => moves.act(withKey(found, key), name, act, actor, held.get(name)?.get(id)))
      .some((state) => state !== null)
    // An id that is named twice is moved once.
    byId.delete(id)
    const { status } = moves.present(found)
    return isMoved ? { outcome: 'moved', event: found } : { outcome: 'refused', status }
  })
  moves.write()
  const events = outcomes.flatMap((each) =>
    each.outcome === 'moved' ? [moves.present(each.event)] : [],
  )
  const shown = new Map(store.shown(events).map((event) => [event.event_id, event]))
  return outcomes.map((each) =>
    each.outcome === 'moved'
      ? { ...each, event: shown.get(each.event.event_id) ?? each.event }
      : each,
  )
}

/** Says in which subscriptions these letters are about an event. */
function onlyOf(store: ShardStore, letters: PairKey[]) {
  const named = subscriptionsByEvent(letters)
  const all = subscriptionsByEvent(store.letters.ofEvents([...named.keys()]))
  return ({ event_id }: EventState, pairs: Pairs): string[] =>
    (named.get(event_id) ?? []).flatMap((letter) =>
      pairsOfLetter(letter, pairs, all.get(event_id) ?? []),
    )
}

function withKey(state: EventState, key: NackKey | undefined): EventState {
  return key ? { ...state, ...key } : state
}

/** Takes open pairs out of leases, and out of rows that cannot be claimed yet. @returns by subscription, then by id */
function takeOut(
  store: ShardStore,
  wanted: { state: EventState; name: string; pair: OpenPair | 'failed' | undefined }[],
): Map<string, Map<string, Taken>> {
  const byName = Map.groupBy(wanted, ({ name }) => name)
  return new Map(
    [...byName].map(([name, own]) => {
      const open = own.flatMap(({ state, pair }) =>
        isOpen(pair) ? [[state.event_id, pair] as const] : [],
      )
      return [name, store.places.takeOut(name, new Map(open))]
    }),
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
  store.count({ ...changes, subscriptions: closePairs(store, found) })
  return found.map(({ event_id }) => event_id)
}

/** Takes all open pairs of events out of where they are. @returns how the counts change */
function closePairs(store: ShardStore, found: EventState[]): CountsBySubscription {
  const counts: CountsBySubscription = new Map()
  const open = found.flatMap((state) =>
    [...pairsOf(state)].flatMap(([name, pair]) => (isOpen(pair) ? [{ state, name, pair }] : [])),
  )
  takeOut(store, open)
  for (const { name } of open) addToSubscription(counts, name, { open: -1 })
  return counts
}
