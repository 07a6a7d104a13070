import fc from 'fast-check'
import { expect, test } from 'vitest'
import { comparable, shown } from './answers'

const TIME = '2026-11-21T04:13:16.573Z'
const ID = '01a1fc4e-f9b0-712c-8309-5b9a487b4ffe'

test('a long answer is broken between its tokens and nowhere else', () => {
  const value = fc.jsonValue({ maxDepth: 4, depthSize: 'small' }) // No list of over 10 entries comes of it.
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value, { maxKeys: 20 }), (object) => {
      const json = JSON.stringify(object)
      const text = shown(json)
      expect(comparable(text)).toBe(comparable(json))
    }),
  )
})

test.each([
  ['a number by its text', '{"n":1.0}', '{"n":1}'],
  ['a string', '{"id":"a"}', '{"id":"b"}'],
  ['white space in a string', '{"id":"a b"}', '{"id":"ab"}'],
  ['the order of members', '{"a":1,"b":2}', '{"b":2,"a":1}'],
  ['a time that is missing', `{"at":"${TIME}"}`, '{"at":null}'],
  ['a time that is none', `{"at":"${TIME}"}`, '{"at":"soon"}'],
  ['an id that is none', `{"id":"${ID}"}`, '{"id":"order-17"}'],
  ['a cursor that is missing', '{"next_cursor":"WyJ5a3"}', '{"next_cursor":null}'],
  ['a rate that is none', '{"processing_rate":1}', '{"processing_rate":null}'],
  ['another count', '{"total":1}', '{"total":2}'],
  ['a header', 'HTTP/1.1 200 OK\nA: 1\n\n{}', 'HTTP/1.1 200 OK\nA: 2\n\n{}'],
  ['a line of text', 'queue_depth 0', 'queue_depth 1'],
])('%s makes two answers differ', (_, one, other) => {
  expect(comparable(one)).not.toBe(comparable(other))
})

test.each([
  ['when', `{"at":"${TIME}"}`, '{"at":"2027-01-01T00:00:00.000Z"}'],
  ['which id was made', `{"id":"${ID}"}`, '{"id":"7925bab2-30e8-41bd-aea8-36ad910b9a56"}'],
  ['the cursor', '{"next_cursor":"WyJ5a3"}', '{"next_cursor":"WyIx-_"}'],
  ['the rate', '{"processing_rate":1.5}', '{"processing_rate":0}'],
  ['how lines are broken', '{"a":[1,2],"b":"c d"}', '{"a":[\n  1, 2],\n "b":"c d"}'],
])('%s makes no difference', (_, one, other) => {
  expect(comparable(one)).toBe(comparable(other))
})

test('no line is longer than 120 characters, and a long list is its last entry', () => {
  const minute = (n: number) => ({ minute: TIME, accepted: n, stored: n, delivered: 0, failed: 0 })
  const answer = {
    data: {
      total: 1,
      status: 'pending',
      last_processed_at: TIME,
      per_minute: [...Array(61).keys()].map(minute),
    },
    errors: [...Array(3).keys()].map((n) => ({
      pointer: `#/${n}/payload`,
      detail: 'must be a JSON object'.repeat(3),
    })),
    correlation_id: ID,
    timestamp: TIME,
  }
  const text = shown(JSON.stringify(answer))
  expect(text.split('\n').filter((line) => line.length > 120)).toEqual([])
  expect(JSON.parse(text)).toEqual({
    ...answer,
    data: { ...answer.data, per_minute: ['…', minute(60)] },
  })
})
