import { describe, expect, test } from 'vitest'
import type { D1Change } from '../../d1/change'
import { effectOf, type RefusalSituation } from '../../objects/alarm/refusal'
import type { Parked } from '../../objects/store/parked'
import type { EventState, EventStatus } from '../../shared/event'

const MAX_RETRIES = 3
const RETRY_AT = 9_000
const BODY = { payload: '{"n":1}', metadata: null }

const stateOf = (status: EventStatus = 'pending'): EventState => ({
  event_id: 'e',
  status,
  retry_count: 5,
  nacks: 0,
  created_at: 100,
  updated_at: 100,
  correlation_id: 'c',
})
const parkedOf = (changes: Partial<Parked> = {}): Parked => ({
  event_id: 'e',
  body: BODY,
  attempts: 1,
  retry_at: 500,
  reason: 'r',
  deletes: 0,
  clears: 0,
  clears_named: [],
  ...changes,
})
const insertOf = (created_at = 100): D1Change['insert'] => ({
  ...BODY,
  event_id: 'e',
  status: 'pending',
  created_at,
  updated_at: 200,
  retry_count: 5,
  correlation_id: 'c',
  subscriptions: null,
})
const changeOf = (changes: Partial<D1Change> = {}): D1Change => ({
  event_id: 'e',
  deleteBefore: 0,
  clearBefore: 0,
  clearNamed: [],
  insert: insertOf(),
  update: null,
  ...changes,
})

interface Case {
  change?: Partial<D1Change>
  alone?: boolean
  situation?: Partial<RefusalSituation>
}

function effect({ change, alone = true, situation }: Case) {
  const refusal = { change: changeOf(change), alone, error: 'UNIQUE constraint failed' }
  const usual = { state: stateOf(), before: undefined, at: 300 }
  return effectOf(refusal, { ...usual, maxRetries: MAX_RETRIES, retryAt: RETRY_AT, ...situation })
}

describe('what D1 refused', () => {
  /**
   * What each case comes to: attempts, when it is tried again, status, retry_count, queue_depth, and whether it is a
   * dead letter.
   */
  type Expected = [
    number,
    number | null,
    EventStatus | undefined,
    number | undefined,
    number,
    boolean,
  ]
  const given = (attempts: number) => ({ before: parkedOf({ attempts, retry_at: null }) })
  test.for<[string, Case, Expected]>([
    ['for the first time, alone', {}, [1, RETRY_AT, 'pending', 6, 1, false]],
    ['in company: not tried yet', { alone: false }, [0, RETRY_AT, 'pending', 5, 1, false]],
    ['again', { situation: { before: parkedOf() } }, [2, RETRY_AT, 'pending', 6, 0, false]],
    [
      'for the last time',
      { situation: { before: parkedOf({ attempts: 2 }) } },
      [3, null, 'failed', 6, -1, true],
    ],
    [
      'for the last time, in company',
      { alone: false, situation: { before: parkedOf({ attempts: 2 }) } },
      [2, RETRY_AT, 'pending', 5, 0, false],
    ],
    [
      'after it was acknowledged',
      { situation: { state: stateOf('delivered'), before: parkedOf({ attempts: 2 }) } },
      [3, RETRY_AT, 'delivered', 6, 0, false],
    ],
    [
      'more often than it is counted',
      { situation: { state: stateOf('delivered'), before: parkedOf({ attempts: 3 }) } },
      [4, RETRY_AT, 'delivered', 5, 0, false],
    ],
    [
      'after its consumer failed it, for the last time',
      { situation: { state: stateOf('failed'), before: parkedOf({ attempts: 2 }) } },
      [3, null, 'failed', 6, -1, false],
    ],
    [
      'after it was given up, and stays so',
      { situation: { state: stateOf('failed'), ...given(1) } },
      [2, null, 'failed', 6, 0, false],
    ],
    [
      'of an event that D1 has',
      { change: { insert: null, update: stateOf() } },
      [1, RETRY_AT, 'pending', 6, 0, false],
    ],
    [
      'of an id that another event has by now',
      { change: { insert: insertOf(50) } },
      [1, RETRY_AT, 'pending', 6, 0, false],
    ],
    [
      'of a deletion, whose event is gone',
      { change: { insert: null, deleteBefore: 150 }, situation: { state: undefined } },
      [1, RETRY_AT, undefined, undefined, 0, false],
    ],
  ])('%s', ([, given_, [attempts, retry_at, status, retry_count, queue_depth, isLetter]]) => {
    const found = effect(given_)
    expect(found?.parked).toMatchObject({ attempts, retry_at })
    expect([found?.state?.status, found?.state?.retry_count]).toEqual([status, retry_count])
    expect(found?.counts.queue_depth).toBe(queue_depth)
    expect(found?.letter !== null).toBe(isLetter)
    expect(found?.counts.failed ?? 0).toBe(isLetter ? 1 : 0)
  })

  test('is forgotten when its event was deleted meanwhile: the journal tells D1', () => {
    expect(effect({ situation: { state: undefined } })).toBeNull()
  })

  test('keeps the latest of what else D1 has to be told', () => {
    const situation = { before: parkedOf({ deletes: 70, clears: 90 }) }
    const found = effect({ change: { deleteBefore: 80, clearBefore: 60 }, situation })
    expect(found?.parked).toMatchObject({ deletes: 80, clears: 90, body: BODY })
  })

  test('keeps which letters of single subscriptions D1 has to be told of', () => {
    const before = parkedOf({
      clears: 50,
      clears_named: [
        ['billing', 70],
        ['stock', 60],
      ],
    })
    const clearNamed: D1Change['clearNamed'] = [
      ['billing', 65],
      ['stock', 80],
      ['old', 40],
    ]
    const told = { insert: null, update: stateOf(), clearNamed }
    expect(effect({ change: told, situation: { before } })?.parked.clears_named).toEqual([
      ['billing', 70],
      ['stock', 80],
    ])
    // Also when its event is gone.
    const gone = { change: { insert: null, clearNamed }, situation: { state: undefined } }
    expect(effect(gone)?.parked).toMatchObject({ body: null, clears_named: clearNamed })
  })

  test('is one letter, of no subscription in particular', () => {
    const found = effect({ situation: { before: parkedOf({ attempts: 2 }) } })
    expect(found?.letter).toMatchObject({ event_id: 'e', subscription: '', failed_at: 300 })
  })
})
