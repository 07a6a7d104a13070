import { describe, expect, test } from 'vitest'
import { MAX_STEP_CHARS, MAX_STEP_EVENTS } from '../../d1/change'
import { writeStatements } from '../../d1/writer'
import { eventsOn } from '../../objects/store/events'
import { sqlOn } from '../../objects/store/sql'
import { encodeTakers, takersOf } from '../../objects/takers'
import type { CopiedEvent } from '../../shared/event'
import { tables } from '../support/tables'

describe('the takers of an event', () => {
  test.for<[takers: string | null, told: string | null]>([
    [null, null],
    ['["billing"]', '["billing"]'],
    ['["inbox","billing"]', '["inbox","billing"]'],
    // The pairs of an event that an older version accepted.
    ['{"billing":[5],"audit":"failed"}', '["billing","audit"]'],
    ['{"inbox":[5,0,0,9000]}', null],
    ['{"inbox":[5,1]}', null],
  ])('%s are told as %s', ([takers, told]) => {
    expect(takersOf({ takers })).toBe(told)
  })

  test('are written where anybody but inbox is among them', () => {
    expect(encodeTakers()).toBeNull()
    expect(encodeTakers(['inbox'])).toBeNull()
    expect(encodeTakers(['inbox', 'b'])).toBe('["inbox","b"]')
  })

  test('stay in the row when their pairs have left it, and are the pairs in a row of before', () => {
    const { sql, sqlite } = tables()
    const events = eventsOn(sqlOn(sql))
    const event = { payload: '{}', metadata: null, correlation_id: 'c' }
    events.insert([{ ...event, event_id: 'new', subscriptions: ['a', 'b'] }], 5)
    events.insert([{ ...event, event_id: 'old', subscriptions: ['a', 'b'] }], 5)
    events.insert([{ ...event, event_id: 'plain' }], 5)
    sqlite.exec(`
      UPDATE events SET takers = NULL WHERE event_id = 'old';
      UPDATE events SET subscriptions = '{"b":[5]}' WHERE event_id IN ('new', 'old')`)
    const ids = ['new', 'old', 'plain']
    const wanted = ['["a","b"]', '["b"]', null]
    for (const states of [events.toldStates(ids), events.states(ids)])
      expect(ids.map((id) => takersOf(states.get(id) ?? {}))).toEqual(wanted)
  })
})

test('events that very many subscriptions took are told in strings that D1 takes', () => {
  const names = Array.from({ length: 100 }, (_, n) => `${n}`.padStart(64, 's'))
  const inserts = Array.from({ length: MAX_STEP_EVENTS }, (_, n): CopiedEvent => ({
    event_id: `${n}`.padStart(128, 'e'),
    payload: JSON.stringify({ text: '€'.repeat(MAX_STEP_CHARS / MAX_STEP_EVENTS - 11) }),
    metadata: null,
    status: 'pending',
    created_at: 1,
    updated_at: 2,
    retry_count: 0,
    correlation_id: `${n}`.padStart(128, 'c'),
    subscriptions: JSON.stringify(names),
  }))
  const told = (events: CopiedEvent[]) =>
    writeStatements(
      { shard: 's', tick: 1 },
      events.map((insert) => ({
        event_id: insert.event_id,
        deleteBefore: 0,
        clearBefore: 0,
        clearNamed: [],
        insert,
        update: null,
      })),
    ).flatMap(({ values: [, , text] }) => (typeof text === 'string' ? [text] : []))
  const texts = told(inserts)
  expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThan(2_000_000)
  expect(texts.flatMap((text) => JSON.parse(text))).toHaveLength(MAX_STEP_EVENTS)
  const [plain = '', ...others] = told(inserts.map((each) => ({ ...each, subscriptions: null })))
  expect(others).toEqual([])
  expect(Buffer.byteLength(plain)).toBeLessThan(2_000_000)
})
