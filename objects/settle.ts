import type { Extended, Settlement, Settled, SettleOutcome } from '../shared/claim'
import type { EventState } from '../shared/event'
import { type Entry, idsOf, liveEntry } from './entries'
import { type Act, type Actor, Moves } from './moves'
import type { Policy } from './policy'
import type { Lease } from './store/leases'
import type { ShardStore } from './store/shard-store'
import { findByLease } from './timeline'

/**
 * Does what a consumer says of the events that it holds. The caller runs it in a transaction.
 * What is not in the lease any more is not touched; when this lease did the same to it before, the answer is the same.
 * @returns one outcome an id
 */
export function settle(store: ShardStore, settlement: Settlement, policy: Policy): Settled[] {
  const { ack, nack, release, by } = settlement
  const wanted = [
    ...ack.map((event_id) => ({ event_id, act: { verb: 'ack' } as Act })),
    ...nack.map(({ event_id, reason, delay_ms }) => ({
      event_id,
      act: { verb: 'nack', reason, delay_ms } as Act,
    })),
    ...release.map((event_id) => ({ event_id, act: { verb: 'release' } as Act })),
  ]
  const lease = store.leases.find(settlement.lease)
  const states = store.events.states(wanted.map(({ event_id }) => event_id))
  const held = new Map(lease?.entries.map((entry) => [entry[0], entry]))
  const moves = new Moves(store, policy)
  const taken = new Set<string>()
  const settled = wanted.map(({ event_id, act }): Settled => {
    const state = states.get(event_id)
    const entry = held.get(event_id)
    const isLive = lease && entry && liveEntry(entry, lease.subscription, states)
    if (!isLive || !state)
      return { event_id, outcome: state ? outcomeBefore(state, settlement.lease, act) : 'gone' }
    taken.add(event_id)
    const after = moves.act(state, lease.subscription, act, actorOf(lease, by), { entry, lease })
    return { event_id, outcome: outcomeOf(act, after, settlement.lease) }
  })
  if (lease && taken.size > 0) {
    store.leases.replace(lease.lease, without(lease.entries, taken))
    moves.count(lease.subscription, { settled: taken.size })
  }
  moves.write()
  return settled
}

/** Lets a lease end later, or sooner, than it would. One whose time is over is taken while it still holds something. */
export function extend(store: ShardStore, name: string, lease_ms: number): Extended {
  const lease = store.leases.find(name)
  if (!lease) return null
  const expires_at = store.clock.present() + lease_ms
  store.places.extendLease(lease, expires_at)
  return { expires_at, event_ids: idsOf(lease.entries) }
}

function actorOf({ lease, consumer, claimed_at }: Lease, by: string): Actor {
  return { by, consumer, lease, claimed_at }
}

function without(entries: Entry[], ids: Set<string>): Entry[] {
  return entries.filter(([id]) => !ids.has(id))
}

/** Says what became of an event: its timeline has just been told. */
function outcomeOf(act: Act, after: EventState | null, lease: string): SettleOutcome {
  return after ? outcomeBefore(after, lease, act) : 'lost'
}

/** Says what this lease did to the event, if that is what it is asked to do now. */
function outcomeBefore(state: EventState, lease: string, { verb }: Act): SettleOutcome {
  const what = findByLease(state, lease)
  if (verb === 'ack' && what === 'acked') return what
  if (verb === 'release' && what === 'released') return what
  if (verb === 'nack' && (what === 'nacked' || what === 'failed')) return what
  return 'lost'
}
