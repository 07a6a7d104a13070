import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_STEP_CHARS, MAX_STEP_EVENTS, type NamedClear } from '../../d1/change'
import {
  bodiesOf,
  cutIntoRows,
  deletionChange,
  encodeAccepted,
  fold,
  type JournalRow,
  presentChange,
  splitRow,
} from '../../objects/journal'
import { bodyLength, type EventState, type NewEvent } from '../../shared/event'
import { backoffMs, fewer, more, withTimeout } from '../../shared/retry'

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

const NO_CHANGE = { deleteBefore: 0, clearBefore: 0, clearNamed: [], insert: null, update: null }

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

test('cuts a row so that its parts, told one after another, come to the same; no event is in two of them', () => {
  const property = fc.property(events, fc.integer({ min: 1, max: 10 }), (list, most) => {
    const replaced = new Set(list.filter((_, n) => n % 3 === 1).map(({ event_id }) => event_id))
    const row = { seq: 5, accepted: list.length, attempts: 2, ...encodeAccepted(list, replaced) }
    const parts: JournalRow[] = []
    for (let rest: JournalRow | null = row; rest;) {
      const step = splitRow(rest, most)
      parts.push(...step.rows)
      rest = step.rest
    }
    expect(parts.flatMap(({ entries }) => entries)).toEqual(row.entries)
    expect(parts.flatMap((part) => [...bodiesOf(part)])).toEqual([...bodiesOf(row)])
    expect(parts.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(row.accepted)
    const ids = parts.map(({ entries }) => new Set(entries.map(({ event_id }) => event_id)))
    expect(ids.reduce((sum, { size }) => sum + size, 0)).toBe(list.length)
    for (const part of parts) {
      expect(part).toMatchObject({ seq: 5, attempts: 2 })
      expect(part.entries.length).toBeLessThanOrEqual(most + 1)
    }
  })
  fc.assert(property)
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
    correlation_id: 'c',
    subscriptions: null,
  }

  test('makes one insert of an event, in its present state, with the failed attempts counted', () => {
    const delivered = states({ status: 'delivered', updated_at: 6 })
    const [change] = fold([accepted, noted('change')], delivered, 9)
    expect(change).toMatchObject({ insert, deleteBefore: 0, clearBefore: 0 })
    // An attempt whose answer was lost may have stored it, without what has been counted since.
    expect(fold([accepted], delivered, 9)).toMatchObject([{ update: insert }])
    expect(fold([{ ...accepted, attempts: 0 }], delivered, 9)).toMatchObject([{ update: null }])
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

  test('withdraws those of the subscriptions alone in which it was redriven, each until then', () => {
    const redriven = (seq: number, subscriptions: string[]): JournalRow => ({
      ...noted('redrive', seq),
      entries: [{ op: 'redrive', event_id: 'a', subscriptions }],
    })
    const clearsOf = (...rows: JournalRow[]) => {
      const [{ clearBefore, clearNamed } = NO_CHANGE] = fold(rows, states({}), 9)
      return [clearBefore, clearNamed]
    }
    const billing = redriven(6, ['billing'])
    expect(clearsOf(billing)).toEqual([0, [['billing', 6]]])
    expect(clearsOf(billing, redriven(7, ['billing', 'stock']), redriven(8, ['']))).toEqual([
      0,
      [
        ['billing', 7],
        ['stock', 7],
        ['', 8],
      ],
    ])
    // Whatever removes all of them removes what was named before, and nothing of what came since.
    expect(clearsOf(billing, noted('redrive', 7))).toEqual([7, []])
    expect(clearsOf(billing, noted('delete', 7))).toEqual([7, []])
    expect(clearsOf(noted('redrive', 5), billing)).toEqual([5, [['billing', 6]]])
  })

  test('tells ahead of its turn which letters a redrive removes', () => {
    const place = { event_id: 'a', seq: 6, entry: 0 }
    const told = { ...NO_CHANGE, event_id: 'a' }
    expect(deletionChange({ ...place, op: 'redrive' })).toEqual({ ...told, clearBefore: 6 })
    expect(deletionChange({ ...place, op: 'redrive', subscriptions: ['billing'] })).toEqual({
      ...told,
      clearNamed: [['billing', 6]],
    })
    expect(deletionChange({ ...place, op: 'delete' })).toEqual({
      ...told,
      deleteBefore: 6,
      clearBefore: 6,
    })
  })

  test('removes again only what was there when it was deleted, however late D1 is asked again', () => {
    const clears_named: NamedClear[] = [['billing', 8]]
    const parked = { event_id: 'a', body: null, deletes: 6, clears: 7, clears_named }
    expect(presentChange(parked, undefined, 9)).toEqual({
      ...NO_CHANGE,
      event_id: 'a',
      deleteBefore: 6,
      clearBefore: 7,
      clearNamed: clears_named,
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

test('what was too much is halved down to one; what went well grows back to the most there may be', () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }))
  fc.assert(
    fc.property(sizes, ([size, most]) => {
      expect(fewer(size)).toBe(Math.max(1, Math.floor(size / 2)))
      const grown = more(size, Math.max(size, most))
      expect(grown).toBeLessThanOrEqual(Math.max(size, most))
      // Slowly: most attempts go well under whatever limit there is.
      expect(grown).toBeLessThanOrEqual(Math.ceil(size * 1.125))
      if (most > size) expect(grown).toBeGreaterThan(size)
    }),
  )
})

test('gives up on an answer that does not come', async () => {
  await expect(withTimeout(new Promise(() => {}), 10)).rejects.toThrow('no answer within 10 ms')
  await expect(withTimeout(Promise.resolve('in time'), 10_000)).resolves.toBe('in time')
})
