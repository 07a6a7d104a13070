import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memberSources, nestingDepth } from '../../worker/http/json-text'

const value = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' })
const blank = fc.stringMatching(/^[ \t\r\n]{0,3}$/)

/** JSON text of an object as by hand: blanks anywhere, keys that repeat, are empty, hold quotes or backslashes. */
const objectText = fc
  .tuple(fc.array(fc.tuple(fc.string({ unit: 'binary' }), value)), blank)
  .map(([entries, gap]) => {
    const members = entries.map(
      ([key, each]) =>
        `${gap}${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(each, null, gap)}${gap}`,
    )
    return { text: `${gap}{${members.join(',') || gap}}${gap}`, entries }
  })

test('finds each member’s source text, and of equal keys the last, as JSON.parse does', () => {
  fc.assert(
    fc.property(objectText, ({ text }) => {
      const parsed: Record<string, unknown> = JSON.parse(text)
      const sources = memberSources(text)
      expect([...sources.keys()].toSorted()).toEqual(Object.keys(parsed).toSorted())
      for (const [key, source] of sources) {
        expect(source).toBe(source.trim())
        expect(JSON.parse(source)).toEqual(parsed[key])
      }
    }),
    { numRuns: 2_000 },
  )
})

test('keeps the source of numbers and strings as it was written', () => {
  const text = String.raw`{"a":1e400,"b":"\ud800\\","c":[1.0 , "]}"],"\u0064":-0 ,"e":true}`
  expect([...memberSources(text)]).toEqual([
    ['a', '1e400'],
    ['b', String.raw`"\ud800\\"`],
    ['c', '[1.0 , "]}"]'],
    ['d', '-0'],
    ['e', 'true'],
  ])
  expect(memberSources(' { } ').size).toBe(0)
})

test('measures nesting as a walk over the parsed value does', () => {
  const depthOf = (each: unknown): number =>
    typeof each === 'object' && each !== null
      ? 1 + Math.max(0, ...Object.values(each).map(depthOf))
      : 0
  fc.assert(
    fc.property(value, blank, (each, gap) => {
      expect(nestingDepth(JSON.stringify(each, null, gap))).toBe(depthOf(each))
    }),
    { numRuns: 2_000 },
  )
})

test('measures any text without failing, however deep or broken', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', 'a', ',') }),
      (text) => {
        expect(nestingDepth(text)).toBeLessThanOrEqual(text.length)
      },
    ),
  )
  expect(nestingDepth('['.repeat(1_000_000))).toBe(1_000_000)
  expect(nestingDepth(`"${'\\"'.repeat(500_000)}`)).toBe(0)
})
