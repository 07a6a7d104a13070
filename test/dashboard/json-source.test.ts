import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { indented, memberSource, visible } from '../../dashboard/json-source'

describe('the source of a member', () => {
  test('is its text to the byte: numbers, escapes, equal keys, and brackets in strings', () => {
    const payload = String.raw`{"n": 1.50, "n":2e3, "s": "a]}\"{", "e": [ ], "\u0061": null}`
    const text = `{"data": {"event_id":"x","payload": ${payload} ,"metadata":null},"timestamp":"t"}`
    expect(memberSource(text, ['data', 'payload'])).toBe(payload)
    expect(memberSource(text, ['data', 'metadata'])).toBe('null')
    expect(memberSource(text, ['data', 'nothing'])).toBe('')
    expect(memberSource(payload, ['n'])).toBe('2e3')
    expect(memberSource(payload, ['a'])).toBe('null')
  })

  test('means what JSON.parse finds there, for any JSON, indented or not', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), fc.boolean(), (payload, other, isSpaced) => {
        const all = { data: { other: JSON.parse(other), payload: JSON.parse(payload) } }
        const text = JSON.stringify(all, null, isSpaced ? 3 : 0)
        const found = memberSource(text, ['data', 'payload'])
        expect(JSON.parse(found)).toEqual(JSON.parse(payload))
        expect(indented(found)).toBe(JSON.stringify(JSON.parse(payload), null, 2))
      }),
    )
  })
})

test('what would reorder text is shown as its escape', () => {
  expect(visible('a\u202eb\u2067c\u200fd é😀')).toBe('a\\u202eb\\u2067c\\u200fd é😀')
})
