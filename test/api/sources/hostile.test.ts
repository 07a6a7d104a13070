import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { handshakeAnswer, subscriptionAnswer } from '../../../worker/ingest/sources/handshake'
import { metadataOf } from '../../../worker/ingest/sources/metadata'
import { rawOfDer } from '../../../worker/ingest/sources/signatures'
import { urlsOf } from '../../../worker/ingest/sources/signed'
import { REASONS, verify } from '../../../worker/ingest/sources/verify'
import { altered, deliveryOf, NOW, signingOf, sourceOf } from './deliveries'
import { GENERIC_CASES } from './generic-cases'
import { SENDER_CASES } from './sender-cases'

/** Whatever anybody sends is accepted or refused: nothing throws, and no answer has a secret in it. */

const CASES = [...SENDER_CASES, ...GENERIC_CASES]

const value = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abf0123456789+/=,;.:tvhs1 -_{}"\\') }),
  fc.string({ unit: 'binary-ascii' }).map((text) => text.replaceAll(/[\0\r\n]/g, '')),
  fc.base64String(),
  fc.constantFrom(
    'v1=',
    't=,v1=',
    'sha256=',
    'v1,',
    'v1,=',
    'MA==',
    'MAYCAQECAQE=',
    '9'.repeat(400),
  ),
)
const body = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.json().map((text) => new TextEncoder().encode(text)),
)
const types = fc.constantFrom(
  '',
  'application/json; charset=',
  'text/plain; charset=utf-16le',
  'application/x-www-form-urlencoded',
  ';;;',
)

describe.each(CASES.map((given) => [`${given.type} ${given.header}`.trim(), given] as const))(
  '%s',
  (_, given) => {
    test('takes no delivery that it did not sign', async () => {
      const source = sourceOf(given, [0, 1])
      const names = [...deliveryOf(given).headers.keys()]
      const headers = fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6 })
      const property = fc.asyncProperty(
        headers,
        body,
        types,
        value,
        async (changed, bytes, type, token) => {
          const delivery = altered(deliveryOf(given), { body: bytes, token })
          delivery.headers.set('Content-Type', type)
          for (const [name, text] of changed) delivery.headers.set(name, text)
          const verdict = await verify(source, delivery, NOW)
          if (verdict.accepted) {
            // It covers no body, and its credential was not among the headers that changed.
            expect(given.covers).toBe(false)
            expect(JSON.parse(verdict.content.payload)).toBeTypeOf('object')
            expect(JSON.parse(metadataOf(source, delivery, verdict))).toBeTypeOf('object')
            await handshakeAnswer(source, verdict)
          } else {
            expect(Object.keys(verdict)).toEqual(['accepted', 'reason'])
            expect(REASONS).toContain(verdict.reason)
          }
        },
      )
      await fc.assert(property, { numRuns: 60 })
    })

    test('reads whatever its sender signs', async () => {
      const source = sourceOf(given)
      const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.json())
      const property = fc.asyncProperty(text, types, async (sent, contentType) => {
        const signedAs = given.contentType ? 'application/x-www-form-urlencoded' : contentType
        const content = given.contentType ? new URLSearchParams({ a: sent }).toString() : sent
        const delivery = deliveryOf({ ...given, body: content, contentType: signedAs })
        const verdict = await verify(source, delivery, NOW)
        if (!verdict.accepted) {
          // The time of the one type that has it in the body.
          expect(verdict.reason).toBe('missing_timestamp')
          return
        }
        expect(JSON.parse(verdict.content.payload)).toBeTypeOf('object')
        const metadata = metadataOf(source, delivery, verdict)
        expect(JSON.parse(metadata)).toMatchObject({ source: 'here' })
        if (given.type !== 'unverified') expect(metadata).not.toContain(signingOf(given))
        await handshakeAnswer(source, verdict)
      })
      await fc.assert(property, { numRuns: 60 })
    })
  },
)

test('a question for a subscription never throws', async () => {
  const meta = CASES.find(({ type }) => type === 'meta')
  if (!meta) throw new Error('there is no case of meta')
  await fc.assert(
    fc.asyncProperty(value, async (query) => {
      const url = `https://inbox.example/in/meta?hub.mode=subscribe&hub.verify_token=${query}`
      expect(await subscriptionAnswer(sourceOf(meta), url)).toMatch(/^(missing|wrong)_token$/)
    }),
  )
})

describe('an ECDSA signature in DER', () => {
  const number = fc.uint8Array({ minLength: 1, maxLength: 32 })
  const integer = (bytes: Uint8Array) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const digits = first === -1 ? [0] : [...bytes.subarray(first)]
    const padded = (digits[0] ?? 0) > 127 ? [0, ...digits] : digits
    return [2, padded.length, ...padded]
  }

  test('is its two numbers, each with zeros in front', () => {
    fc.assert(
      fc.property(number, number, (r, s) => {
        const content = [...integer(r), ...integer(s)]
        const raw = rawOfDer(Uint8Array.from([0x30, content.length, ...content]), 32)
        const padded = (bytes: Uint8Array) => [...new Uint8Array(32 - bytes.length), ...bytes]
        expect([...(raw ?? [])]).toEqual([...padded(r), ...padded(s)])
      }),
    )
  })

  test('that is malformed is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(rawOfDer(bytes, 32)?.byteLength ?? 64).toBe(64)
      }),
    )
    for (const wrong of [
      [],
      [0x30, 0],
      [0x30, 3, 2, 1, 1],
      [0x30, 6, 2, 1, 1, 2, 2, 1],
      [0x30, 6, 2, 0, 2, 2, 1, 1],
    ])
      expect(rawOfDer(Uint8Array.from(wrong), 32)).toBeNull()
  })
})

describe('the URL that was signed', () => {
  test('is tried with and without its port, and as it was before it was encoded', () => {
    expect(urlsOf('https://a.example/in?x=1', null)).toEqual([
      'https://a.example/in?x=1',
      'https://a.example:443/in?x=1',
    ])
    expect(urlsOf('http://a.example:8787/in?x=%27b%27%2Fc%20', null)).toEqual(
      expect.arrayContaining([
        "http://a.example:8787/in?x='b'%2Fc%20",
        "http://a.example:8787/in?x='b'/c%20",
        "http://a.example/in?x='b'%2Fc%20",
      ]),
    )
    expect(urlsOf('https://[::1]/in', null)).toContain('https://[::1]:443/in')
    expect(urlsOf('https://w.example/in?a=1&bodySHA256=ff', 'https://a.example/in?a=1')).toEqual(
      expect.arrayContaining([
        'https://a.example/in?a=1',
        'https://a.example/in?a=1&bodySHA256=ff',
      ]),
    )
  })

  test('takes few tries, whatever it is', () => {
    fc.assert(
      fc.property(value, fc.option(value), (path, other) => {
        const requested = `https://inbox.example${path}`
        const configured = other && `https://a.example:8443/${other}?${other}`
        const urls = urlsOf(requested, configured)
        expect(urls.length).toBeLessThanOrEqual(12)
        expect(urls[0]).toBe(configured ?? requested)
      }),
    )
  })
})
