import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readContent } from '../../../worker/ingest/sources/content'
import { parseForm } from '../../../worker/ingest/sources/form'

/** What becomes of a body: nothing that was proven is lost over its form. */

const FORM = 'application/x-www-form-urlencoded'

function read(body: string | Uint8Array, type?: string) {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return readContent(bytes, new Headers(type === undefined ? {} : { 'Content-Type': type }))
}

describe('JSON', () => {
  test.each(['application/json', 'text/plain; charset=UTF-8', FORM, 'image/png', undefined])(
    'that is an object is kept byte for byte, sent as %s',
    (type) => {
      const text = '{"b":12345678901234567890, "a":"\\u00fc", "b":1.0}'
      expect(read(`\ufeff ${text}\r\n`, type).payload).toBe(text)
    },
  )

  test.each([
    ['[1, 2]', 'text/plain', '{"data":[1, 2]}'],
    ['null', 'application/json', '{"data":null}'],
    ['1.50', 'application/vnd.it+json', '{"data":1.50}'],
    ['"a"', undefined, '{"data":"a"}'],
    ['42', 'text/plain', '{"data":"42"}'],
    ['{"a":1', 'application/json', '{"data":"{\\"a\\":1"}'],
    ['{}{}', 'image/png', '{"data":"{}{}"}'],
  ])('%s, sent as %s, is %s', (body, type, payload) => {
    expect(read(body, type).payload).toBe(payload)
  })

  test('nested too deep for a database is kept as text, and still looked into', () => {
    const deep = '['.repeat(101) + ']'.repeat(101)
    expect(read(deep, 'application/json')).toMatchObject({
      payload: JSON.stringify({ data: deep }),
      value: JSON.parse(deep),
    })
  })
})

describe('text and bytes', () => {
  test.each([
    ['', 'application/json', '{}'],
    ['', undefined, '{}'],
    ['<a/>', 'application/xml', '{"data":"<a/>"}'],
    ['hello\n', undefined, '{"data":"hello\\n"}'],
    ['hello', 'application/octet-stream', '{"data_base64":"aGVsbG8="}'],
    [
      '--x\r\n\r\nhi\r\n--x--',
      'multipart/form-data; boundary=x',
      '{"data_base64":"LS14DQoNCmhpDQotLXgtLQ=="}',
    ],
  ])('%j, sent as %s, is %s', (body, type, payload) => {
    expect(read(body, type).payload).toBe(payload)
  })

  test.each([
    ['text/plain; charset=iso-8859-1', '{"data":"fü"}'],
    ['text/plain', '{"data_base64":"Zvw="}'],
    ['text/plain; charset=klingon', '{"data_base64":"Zvw="}'],
  ])('that are not UTF-8, sent as %s, are %s', (type, payload) => {
    expect(read(Uint8Array.of(0x66, 0xfc), type).payload).toBe(payload)
  })
})

describe('a form', () => {
  test.each([
    ['a=1&b=x+y%26z&a=2&c', '{"a":["1","2"],"b":"x y&z","c":""}'],
    ['__proto__=1&constructor=2&a=', '{"__proto__":"1","constructor":"2","a":""}'],
    ['sum=100%&name=f%FC%80', '{"sum":"100%","name":"fü€"}'],
    ['name=f%C3%BC&half=100%', '{"name":"fü","half":"100%"}'],
    ['payload={"ref": "main"}', '{"ref": "main"}'],
    ['payload=%7B%22n%22%3A12345678901234567890%7D', '{"n":12345678901234567890}'],
    ['payload=[1]', '{"payload":"[1]"}'],
    ['payload={}&token=1', '{"payload":"{}","token":"1"}'],
    ['&&', '{}'],
  ])('%s is %s', (body, payload) => {
    expect(read(body, `${FORM}; charset=utf-8`).payload).toBe(payload)
  })

  test('has no prototype for a name to reach', () => {
    const { value } = read('__proto__=1&a=2', FORM)
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(Object.keys(value as object)).toEqual(['__proto__', 'a'])
  })

  test('is read as browsers write it', () => {
    const fields = fc.array(
      fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })),
    )
    fc.assert(
      fc.property(fields, (given) => {
        const text = new URLSearchParams(given).toString()
        expect(parseForm(text)).toEqual([...new URLSearchParams(text)])
      }),
    )
  })
})

test('whatever comes is an object of JSON, and bytes come back out of it', () => {
  const types = fc.constantFrom(
    '',
    'application/json',
    'text/xml',
    FORM,
    'image/png',
    'multipart/x',
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), types, (bytes, type) => {
      const parsed = JSON.parse(read(bytes, type).payload)
      expect(Object.prototype.toString.call(parsed)).toBe('[object Object]')
      if ('data_base64' in parsed)
        expect(new Uint8Array(Buffer.from(parsed.data_base64, 'base64'))).toEqual(bytes)
    }),
  )
})
