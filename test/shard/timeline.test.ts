import { describe, expect, test } from 'vitest'
import { newPair, type Pairs, pairsOf, visibleFrom, withPairs } from '../../objects/pairs'
import { maxExpiries, policyOf } from '../../objects/policy'
import { findByLease, itemOf, timelineOf, withItems } from '../../objects/timeline'
import type { EventState } from '../../shared/event'

const STATE: EventState = {
  event_id: 'a',
  status: 'pending',
  retry_count: 0,
  nacks: 0,
  created_at: 1,
  updated_at: 1,
  correlation_id: 'c',
}
const acked = (at: number, subscription: string, lease: string) =>
  itemOf({ at, what: 'acked', subscription, by: 'test', lease })

describe('a timeline', () => {
  test('keeps the last 20 and says how many went before; the newest of each subscription stays', () => {
    let state = withItems(STATE, [acked(0, 'once', 'first')])
    for (let at = 1; at <= 30; at++) state = withItems(state, [acked(at, 'often', `lease-${at}`)])
    const { dropped, happened } = timelineOf(state)
    expect([dropped, happened.length]).toEqual([11, 20])
    expect(happened.map(({ at }) => at)).toEqual([
      0,
      ...Array.from({ length: 19 }, (_, n) => n + 12),
    ])
    expect(findByLease(state, 'first')).toBe('acked')
    expect(findByLease(state, 'lease-30')).toBe('acked')
    expect(findByLease(state, 'lease-1')).toBeUndefined()
  })

  test('counts what an entry could not carry, and cuts what is long', () => {
    const why = '長'.repeat(500)
    const item = itemOf({ at: 1, what: 'failed', subscription: 's', by: 'x'.repeat(99), why })
    const { dropped, happened } = timelineOf(withItems(STATE, [item], 5))
    expect(dropped).toBe(5)
    expect(happened).toEqual([
      { at: 1, what: 'failed', subscription: 's', by: 'x'.repeat(64), why: '長'.repeat(200) },
    ])
  })
})

describe('the pairs of an event', () => {
  test('are read as they were written, and the status follows from them', () => {
    const pairs: Pairs = new Map([
      ['billing', { at: 5, nacks: 2, expiries: 1, visible_at: 9 }],
      ['audit', newPair(5)],
    ])
    const open = withPairs(STATE, pairs)
    expect([open.status, pairsOf(open)]).toEqual(['pending', pairs])
    const failed = withPairs(open, new Map(pairs).set('audit', 'failed'))
    expect([failed.status, pairsOf(failed).get('audit')]).toEqual(['failed', 'failed'])
    const settled = withPairs(failed, new Map())
    expect([settled.status, settled.subscriptions, pairsOf(settled).size]).toEqual([
      'delivered',
      null,
      0,
    ])
  })

  test('take no room in the row of an event that inbox alone takes', () => {
    const plain = withPairs(STATE, new Map([['inbox', newPair(1)]]))
    expect([plain.subscriptions, pairsOf(plain)]).toEqual([null, new Map([['inbox', newPair(1)]])])
    const nacked = { ...newPair(7), nacks: 1, visible_at: 9_000 }
    expect(pairsOf(withPairs(STATE, new Map([['inbox', nacked]]))).get('inbox')).toEqual(nacked)
  })

  test('that wait do so until a full second', () => {
    expect([
      visibleFrom(1_500, 1_400),
      visibleFrom(1_500, 1_500),
      visibleFrom(1_500, 1_501),
    ]).toEqual([1_500, 1_500, 2_000])
  })
})

describe('the policy of a shard', () => {
  const of = (vars: Record<string, unknown>) => policyOf(vars as unknown as Env)
  const SUBSCRIPTIONS = [{ name: 'billing', max_attempts: 12, retry_seconds: [7] }]

  test('is what the subscription says, or MAX_RETRIES', () => {
    const policy = of({ SUBSCRIPTIONS, MAX_RETRIES: '4' })
    expect(['billing', 'inbox'].map((name) => policy.maxAttempts(name))).toEqual([12, 4])
    expect(['billing', 'inbox'].map((name) => maxExpiries(policy, name))).toEqual([12, 10])
    expect(policy.waitMs('billing', 3)).toBe(7_000)
  })

  test('gives nothing up while the configuration is malformed', () => {
    expect(of({ SUBSCRIPTIONS: '[{}]' }).maxAttempts('billing')).toBe(Infinity)
    expect(of({ MAX_RETRIES: 'many' }).maxAttempts('inbox')).toBe(Infinity)
  })
})
