import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NewEvent } from '../objects/event'
import {
  bodiesOf,
  bodyLength,
  cutIntoRows,
  encodeAccepted,
  type EventState,
  fold,
  type JournalRow,
  MAX_STEP_CHARS,
  MAX_STEP_EVENTS,
  presentChange,
} from '../objects/journal'
import { backoffMs, withTimeout } from '../objects/retry'

const body = fc.jsonValue({ stringUnit: 'binary' }).map((value) => JSON.stringify(value))
const events = fc.uniqueArray(
  fc.record({
    event_id: fc.uuid(),
    payload: body,
    metadata: fc.option(body),
    correlation_id: fc.constant('c'),
  }),
  { selector: (event) => event.event_id },
)

const NO_CHANGE = { deleteBefore: 0, clearBefore: 0, insert: null, update: null }

function stateOf(event_id: string, state: Partial<EventState> = {}): EventState {
  return {
    event_id,
    status: 'pending',
    retry_count: 0,
    nacks: 0,
    created_at: 5,
    updated_at: 5,
    correlation_id: 'c',
    ...state,
  }
}

test('gives back the bodies it was given', () => {
  fc.assert(
    fc.property(events, (list) => {
      const found = bodiesOf(encodeAccepted(list))
      expect([...found]).toEqual(
        list.map(({ event_id, payload, metadata }) => [event_id, { payload, metadata }]),
      )
    }),
  )
})

test('cuts a commit into rows within both bounds, in order, none of them empty', () => {
  const sized = fc.integer({ min: 2, max: 700_000 }).map((length) => ({
    event_id: 'a',
    payload: 'x'.repeat(length),
    metadata: null,
    correlation_id: 'c',
  }))
  const tiny = fc.constant({ event_id: 'b', payload: '{}', metadata: '{}', correlation_id: 'c' })
  const commit = fc.oneof(
    fc.array(sized, { maxLength: 8 }),
    fc.array(tiny, { minLength: 900, maxLength: 2_500 }),
  )
  fc.assert(
    fc.property(commit, (list) => {
      const rows = cutIntoRows(list)
      expect(rows.flat()).toEqual(list)
      for (const row of rows) {
        expect(row.length).toBeGreaterThan(0)
        expect(row.length).toBeLessThanOrEqual(MAX_STEP_EVENTS)
        if (row.length > 1)
          expect(row.reduce((sum, event) => sum + bodyLength(event), 0)).toBeLessThanOrEqual(
            MAX_STEP_CHARS,
          )
      }
    }),
    { numRuns: 50 },
  )
})

describe('folding', () => {
  const event: NewEvent = { event_id: 'a', payload: '{"n":1}', metadata: null, correlation_id: 'c' }
  const accepted = { seq: 5, accepted: 1, attempts: 3, ...encodeAccepted([event]) }
  const noted = (op: 'change' | 'redrive' | 'delete', seq = 6): JournalRow => ({
    seq,
    accepted: 0,
    attempts: 0,
    entries: [{ op, event_id: 'a' }],
    bodies: '',
  })
  const states = (state: Partial<EventState>) => new Map([['a', stateOf('a', state)]])
  const insert = {
    event_id: 'a',
    payload: '{"n":1}',
    metadata: null,
    status: 'delivered',
    created_at: 5,
    updated_at: 9,
    retry_count: 3,
  }

  test('makes one insert of an event, in its present state, with the failed attempts counted', () => {
    const delivered = states({ status: 'delivered', updated_at: 6 })
    const [change] = fold([accepted, noted('change')], delivered, 9)
    expect(change).toMatchObject({ insert, deleteBefore: 0, clearBefore: 0 })
    expect(fold([noted('change')], delivered, 9)).toEqual([
      { ...NO_CHANGE, event_id: 'a', update: delivered.get('a') },
    ])
  })

  test('makes a deletion of an event that is gone, whatever came before', () => {
    expect(fold([accepted, noted('change'), noted('delete')], new Map(), 9)).toEqual([
      { ...NO_CHANGE, event_id: 'a', deleteBefore: 6, clearBefore: 6 },
    ])
  })

  test('takes only the later body of an id that was deleted and accepted again', () => {
    const later = {
      seq: 7,
      accepted: 1,
      attempts: 0,
      ...encodeAccepted([{ ...event, payload: '{"n":2}' }]),
    }
    const [change] = fold([accepted, noted('delete'), later], states({ created_at: 7 }), 9)
    expect(change).toMatchObject({
      deleteBefore: 6,
      insert: { payload: '{"n":2}', created_at: 7 },
    })
    expect(fold([accepted], states({ created_at: 7 }), 9)).toEqual([
      { ...NO_CHANGE, event_id: 'a' },
    ])
  })

  test('withdraws the dead letters that a redriven event had until then', () => {
    expect(fold([noted('redrive', 6)], states({}), 9)).toMatchObject([
      { deleteBefore: 0, clearBefore: 6 },
    ])
  })

  test('removes again only what was there when it was deleted, however late D1 is asked again', () => {
    const parked = { event_id: 'a', body: null, deletes: 6, clears: 7 }
    expect(presentChange(parked, undefined, 9)).toEqual({
      ...NO_CHANGE,
      event_id: 'a',
      deleteBefore: 6,
      clearBefore: 7,
    })
  })

  test('lets an id replace what another shard has deleted', () => {
    const again = { ...accepted, ...encodeAccepted([event], new Set(['a'])) }
    expect(fold([again], states({ created_at: again.seq }), 9)).toMatchObject([
      { deleteBefore: again.seq, insert: { event_id: 'a' } },
    ])
  })
})

test('waits 1 s to 60 s, with full jitter under a ceiling that doubles', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempts, dice) => {
        const delay = backoffMs(attempts, () => dice)
        expect(delay).toBeGreaterThanOrEqual(1_000)
        expect(delay).toBeLessThanOrEqual(Math.min(60_000, 1_000 * 2 ** attempts))
      },
    ),
  )
  expect([1, 2, 6, 100].map((attempts) => backoffMs(attempts, () => 1))).toEqual([
    2_000, 4_000, 60_000, 60_000,
  ])
  expect(backoffMs(100, () => 0)).toBe(1_000)
})

test('gives up on an answer that does not come', async () => {
  await expect(withTimeout(new Promise(() => {}), 10)).rejects.toThrow('no answer within 10 ms')
  await expect(withTimeout(Promise.resolve('in time'), 10_000)).resolves.toBe('in time')
})
