import { describe, expect, test } from 'vitest'
import { SOURCE_TYPES } from '../../../shared/sources'
import { verify } from '../../../worker/ingest/sources/verify'
import { altered, type Case, deliveryOf, NOW, sourceOf } from './deliveries'
import { GENERIC_CASES } from './generic-cases'
import { SENDER_CASES } from './sender-cases'

/** What every type has to do, each by the same table; what cannot apply to a type its case marks. */

const CASES = [...SENDER_CASES, ...GENERIC_CASES]
const named = CASES.map((given) => [`${given.type} ${given.header}`.trim(), given] as const)
const where = (applies: (given: Case) => boolean) => named.filter(([, given]) => applies(given))

const isProven = ({ type }: Case) => type !== 'unverified'
const hasHeader = ({ header }: Case) => header !== ''
const isCovered = ({ covers = true }: Case) => covers
const isTimed = ({ tolerance }: Case) => tolerance !== undefined
const isTimeSigned = ({ timeHeader }: Case) => timeHeader !== undefined
const MISSING = expect.stringMatching(/^missing_(signature|token)$/)
const WRONG = expect.stringMatching(/^wrong_(signature|token)$/)

test('no type is without a case', () => {
  expect(new Set(CASES.map(({ type }) => type))).toEqual(new Set(SOURCE_TYPES))
})

describe('accepts', () => {
  test.each(named)('a delivery of %s, and knows which event it is', async (_, given) => {
    const verdict = await verify(sourceOf(given), deliveryOf(given), NOW)
    expect(verdict).toMatchObject({ accepted: true, id: given.id, type: given.eventType })
    if (!verdict.accepted) return
    const digest = ['here', 'in', 'body', expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/)]
    expect(verdict.identity).toEqual(given.id === null ? digest : ['here', 'in', 'id', given.id])
    expect(verdict.content.value ?? null).toEqual(
      given.contentType
        ? Object.fromEntries(new URLSearchParams(given.body))
        : JSON.parse(new TextDecoder().decode(deliveryOf(given).body)),
    )
  })

  test.each(where(isProven))('both secrets of %s while one is rotated', async (_, given) => {
    const source = sourceOf(given, [1, 0])
    for (const secret of [0, 1]) {
      const verdict = await verify(source, deliveryOf(given, { secret }), NOW)
      expect(verdict).toMatchObject({ accepted: true, secret: source.secrets[1 - secret] })
    }
  })

  test.each(where(isTimed))('%s as long as its tolerance, both ways', async (_, given) => {
    const most = (given.tolerance ?? 0) * 1_000
    for (const at of [NOW - most, NOW + most])
      expect(await verify(sourceOf(given), deliveryOf(given, { at }), NOW)).toMatchObject({
        accepted: true,
      })
  })

  test.each(where(isTimed))('older ones of %s where that is configured', async (_, given) => {
    const source = sourceOf(given, [0], 'here', { tolerance: 3_600 })
    const delivery = deliveryOf(given, { at: NOW - 3_000_000 })
    expect(await verify(source, delivery, NOW)).toMatchObject({ accepted: true })
  })

  test.each(where((given) => isTimeSigned(given) && !isTimed(given)))(
    'old ones of %s, which does not say that it signs again',
    async (_, given) => {
      const delivery = deliveryOf(given, { at: NOW - 86_400_000 })
      expect(await verify(sourceOf(given), delivery, NOW)).toMatchObject({ accepted: true })
      const strict = sourceOf(given, [0], 'here', { tolerance: 300 })
      expect(await verify(strict, delivery, NOW)).toEqual({ accepted: false, reason: 'too_old' })
    },
  )

  test.each(where(({ several = false }) => several))(
    'the tenth signature of %s, and looks at no more',
    async (_, given) => {
      const source = sourceOf(given)
      const tenth = deliveryOf(given, { others: 9 })
      expect(await verify(source, tenth, NOW)).toMatchObject({ accepted: true })
      const eleventh = deliveryOf(given, { others: 10 })
      expect(await verify(source, eleventh, NOW)).toEqual({
        accepted: false,
        reason: 'wrong_signature',
      })
    },
  )
})

describe('refuses', () => {
  const refused = (reason: unknown) => ({ accepted: false, reason })

  test.each(where(isCovered))('%s with any byte of the body flipped', async (_, given) => {
    const delivery = deliveryOf(given)
    const source = sourceOf(given)
    for (let at = 0; at < delivery.body.length; at += 7) {
      const body = delivery.body.slice()
      body[at] = (body[at] ?? 0) ^ 1
      const verdict = await verify(source, altered(delivery, { body }), NOW)
      expect(verdict).toEqual(refused(expect.stringMatching(/^(wrong_signature|unsigned_body)$/)))
    }
  })

  test.each(where(isProven))("%s with another source's secret", async (_, given) => {
    const verdict = await verify(sourceOf(given), deliveryOf(given, { secret: 2 }), NOW)
    expect(verdict).toEqual(refused(WRONG))
  })

  test.each(where(isTimed))('%s of a time that is past, or has not come', async (_, given) => {
    const over = ((given.tolerance ?? 0) + 1) * 1_000
    const source = sourceOf(given)
    const old = await verify(source, deliveryOf(given, { at: NOW - over }), NOW)
    expect(old).toEqual(refused('too_old'))
    const early = await verify(source, deliveryOf(given, { at: NOW + over }), NOW)
    expect(early).toEqual(refused('too_new'))
  })

  test.each(where(isTimeSigned))('%s sent again with a new time', async (_, given) => {
    const delivery = deliveryOf(given, { at: NOW - 7_200_000 })
    const fresh = deliveryOf(given).headers.get(given.timeHeader ?? '') ?? ''
    delivery.headers.set(given.timeHeader ?? '', fresh)
    expect(await verify(sourceOf(given), delivery, NOW)).toEqual(refused('wrong_signature'))
  })

  test.each(where(hasHeader))('%s without its header', async (_, given) => {
    const delivery = deliveryOf(given)
    delivery.headers.delete(given.header)
    expect(await verify(sourceOf(given), delivery, NOW)).toEqual(refused(MISSING))
    delivery.headers.set(given.header, '')
    expect(await verify(sourceOf(given), delivery, NOW)).toEqual(refused(MISSING))
  })

  test.each(where(isTimeSigned))(
    '%s without a time, or with none that is one',
    async (_, given) => {
      const delivery = deliveryOf(given)
      delivery.headers.delete(given.timeHeader ?? '')
      expect(await verify(sourceOf(given), delivery, NOW)).toEqual(refused('missing_timestamp'))
    },
  )

  test.each(where((given) => hasHeader(given) && isCovered(given)))(
    '%s with a signature that is cut, longer, or something else',
    async (_, given) => {
      const delivery = deliveryOf(given)
      const right = delivery.headers.get(given.header) ?? ''
      for (const wrong of [
        right.slice(0, -8),
        `${right}00`,
        'x',
        '=',
        ',',
        right.toLowerCase() + 'é',
      ]) {
        delivery.headers.set(given.header, wrong)
        const verdict = await verify(sourceOf(given), delivery, NOW)
        expect(verdict).toEqual(
          refused(
            expect.stringMatching(/^(malformed_signature|missing_timestamp|wrong_signature)$/),
          ),
        )
      }
    },
  )
})
