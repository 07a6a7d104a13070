import type { EventState } from '../shared/event'
import type { Story, Taker } from '../shared/timeline'
import { isOpen, pairsOf } from './pairs'
import type { ShardStore } from './store/shard-store'
import { type Item, itemOf, timelineOf } from './timeline'

/** Tells what happened to an event, and what its subscriptions do with it now. It reads all leases of these. */
export function storyOf(store: ShardStore, state: EventState): Story {
  const now = store.clock.present()
  const unwritten: Item[] = []
  const takers = [...pairsOf(state)].map(([name, pair]): Taker => {
    if (!isOpen(pair)) return { name, status: 'failed', attempt: null, visible_at: null }
    const held = store.leases.holding(name, state.event_id)
    const [, , expiries = 0, trail = []] = held?.entry ?? []
    const attempt = pair.nacks + pair.expiries + expiries + 1
    unwritten.push(...trail)
    if (!held) {
      const { visible_at } = pair
      return { name, status: visible_at > now ? 'scheduled' : 'ready', attempt, visible_at }
    }
    const { lease, by, consumer, claimed_at, expires_at } = held.lease
    const claim = { at: claimed_at, what: 'claimed', subscription: name } as const
    unwritten.push(itemOf({ ...claim, by, consumer, attempt, lease }))
    const status = expires_at > now ? 'leased' : 'ready'
    return { name, status, attempt, visible_at: expires_at }
  })
  const { dropped, happened } = timelineOf(state, unwritten)
  return { dropped, happened: happened.toSorted((a, b) => a.at - b.at), takers }
}
