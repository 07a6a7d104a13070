import { type D1Change } from '../../d1/change'
import { maxRetries } from '../../shared/lifecycle'
import { log } from '../../shared/log'
import { backoffMs } from '../../shared/retry'
import { addToSubscription, type CountsBySubscription } from '../../shared/subscription-counts'
import { carriedBy, ITSELF } from '../moves'
import type { ShardContext } from '../shard-context'
import { type Item, itemOf, withItems } from '../timeline'
import { effectOf, type Refusal } from './refusal'

/**
 * Ends a step that D1 was told of, in one transaction. It parks what D1 rejected and counts what D1 stored.
 * @param settle removes the step from where it waited; it returns how many events waited there and which are stored
 */
export function finishTold(
  { env, name, store }: ShardContext,
  changes: D1Change[],
  refused: Refusal[],
  storedAt: number,
  settle: (taken: D1Change[]) => { waited: number; stored: D1Change[] },
): void {
  const refusals = new Set(refused.map(({ change }) => change))
  store.transaction(() => {
    const { waited, stored } = settle(changes.filter((change) => !refusals.has(change)))
    for (const refusal of refused) applyRefusal({ env, name, store }, refusal)
    const inserts = stored.flatMap(({ insert }) => insert ?? [])
    store.count({
      queue_depth: -waited,
      happened: { stored: inserts.length },
      storeSeconds: inserts.map(({ created_at }) => (storedAt - created_at) / 1000),
      processedAt: storedAt,
    })
  })
}

function refusedItem(at: number, attempt: number, why: string): Item {
  return itemOf({ ...ITSELF, at, what: 'failed', subscription: '', attempt, why })
}

function applyRefusal({ env, name, store }: ShardContext, refusal: Refusal): void {
  const { change, alone, error } = refusal
  const before = store.parked.find(change.event_id)
  const attempts = (before?.attempts ?? 0) + Number(alone)
  const effect = effectOf(refusal, {
    state: store.events.states([change.event_id]).get(change.event_id),
    before,
    at: store.clock.nextTimestamp(),
    maxRetries: maxRetries(env),
    retryAt: Date.now() + (alone ? backoffMs(attempts) : 0),
  })
  if (!effect) return
  const { state, parked, counts, letter, closed } = effect
  const { event_id, reason } = parked
  const { correlation_id } = state ?? {}
  log('warn', 'D1 refused an event', {
    shard: name,
    event_id,
    correlation_id,
    attempts,
    reason,
    error,
  })
  const subscriptions: CountsBySubscription = new Map()
  const items: Item[] = []
  for (const [subscription, pair] of closed) {
    const taken = store.places.takeOut(subscription, new Map([[event_id, pair]])).get(event_id)
    items.push(...carriedBy(subscription, pair, taken, ITSELF))
    addToSubscription(subscriptions, subscription, { open: -1, failed: 1 })
  }
  if (letter) items.push(refusedItem(letter.failed_at, attempts, reason))
  if (state) store.events.update([withItems(state, items)])
  store.parked.park(parked)
  const letters = letter ? store.letters.add([letter]) : 0
  store.count({ ...counts, subscriptions, letters })
}
