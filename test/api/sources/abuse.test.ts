import { describe, expect, test } from 'vitest'
import { readSources } from '../../../shared/sources'
import { readContent } from '../../../worker/ingest/sources/content'
import { metadataOf } from '../../../worker/ingest/sources/metadata'
import { verify } from '../../../worker/ingest/sources/verify'
import { read } from './configuration'
import { altered, type Case, deliveryOf, hmac, NOW, sha256, sourceOf } from './deliveries'
import { SENDER_CASES } from './sender-cases'

/** What somebody without the secret, or with one captured delivery, might try. */

const caseOf = (type: string): Case => {
  const found = SENDER_CASES.find((given) => given.type === type)
  if (!found) throw new Error(type)
  return found
}
const bytes = (text: string) => new TextEncoder().encode(text)
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

describe('a delivery of Twilio', () => {
  test('is not proven by a digest that the signed URL does not have', async () => {
    const url = 'https://hooks.example/in/twilio'
    const { named } = readSources({
      SOURCES: [{ name: 'twilio', type: 'twilio', url }],
      SOURCE_SECRETS: JSON.stringify({ twilio: ['secret'] }),
    })
    const source = named.get('twilio')
    if (!source) throw new Error('not configured')
    const body = '{"forged":true}'
    const requested = `https://inbox.example/in/twilio?bodySHA256=${sha256(body)}`
    const of = (signed: string) => ({
      method: 'POST',
      url: requested,
      headers: new Headers({ 'X-Twilio-Signature': hmac('secret', signed, 'base64', 'sha1') }),
      body: bytes(body),
    })
    expect(await verify(source, of(url), NOW)).toEqual({
      accepted: false,
      reason: 'wrong_signature',
    })
    expect(await verify(source, of(`${url}?bodySHA256=${sha256(body)}`), NOW)).toMatchObject({
      accepted: true,
    })
  })

  test('with more fields than any sender has is not taken apart', async () => {
    const many = Array.from({ length: 1_001 }, (_, n) => `f${n}=`).join('&')
    expect(JSON.parse(readContent(bytes(many), new Headers(FORM)).payload)).toEqual({ data: many })
    const some = many.slice(0, many.lastIndexOf('&'))
    const { payload } = readContent(bytes(some), new Headers(FORM))
    expect(Object.keys(JSON.parse(payload))).toHaveLength(1_000)
    const twilio = caseOf('twilio')
    const delivery = altered(deliveryOf(twilio), { body: bytes(many) })
    delivery.headers.set('Content-Type', FORM['Content-Type'])
    expect(await verify(sourceOf(twilio), delivery, NOW)).toEqual({
      accepted: false,
      reason: 'unsigned_body',
    })
  })
})

test.each(['discord', 'sendgrid'])(
  'digits of the time of %s cannot become the beginning of the body',
  async (type) => {
    const given = caseOf(type)
    const delivery = deliveryOf(given)
    const [header = ''] = [...delivery.headers.keys()].filter((name) => name.includes('timestamp'))
    const time = delivery.headers.get(header) ?? ''
    const moved = altered(delivery, {
      body: bytes(time.slice(-1) + new TextDecoder().decode(delivery.body)),
    })
    moved.headers.set(header, time.slice(0, -1))
    expect(await verify(sourceOf(given), moved, NOW)).toEqual({
      accepted: false,
      reason: 'malformed_timestamp',
    })
  },
)

test('JSON nested too deep to be stored as JSON still says when it was sent, and is kept', async () => {
  const deep = `{"webhookTimestamp":TIME,"deep":${'['.repeat(200)}${']'.repeat(200)}}`
  const given = { ...caseOf('linear'), body: deep }
  const delivery = deliveryOf(given)
  const verdict = await verify(sourceOf(given), delivery, NOW)
  expect(verdict).toMatchObject({ accepted: true })
  if (!verdict.accepted) return
  const stored = JSON.parse(verdict.content.payload)
  expect(stored).toEqual({ data: new TextDecoder().decode(delivery.body) })
})

test('a header that proves the delivery is never its id or type', () => {
  const wrong = [
    { type: 'token', header: 'X-Key', id: 'header:x-key' },
    { type: 'hmac', header: 'X-Mac', event_type: 'header:X-Mac' },
    { type: 'basic', id: 'header:Authorization' },
  ]
  for (const entry of wrong) {
    const { named, mistakes } = read(entry, [entry.type === 'basic' ? 'u:p' : 'secret'])
    expect([named.get('it'), mistakes.join()]).toEqual([
      null,
      expect.stringContaining('must not be stored'),
    ])
  }
})

test('a user and a password that are both empty are no secret', () => {
  expect(read({ type: 'basic' }, [':']).named.get('it')).toBeNull()
  expect(read({ type: 'basic' }, ['key:']).named.get('it')).not.toBeNull()
})

test('blanks without end in a header of credentials are no work', async () => {
  const source = read({ type: 'basic' }, ['u:p']).named.get('it')
  if (!source) throw new Error('not configured')
  const headers = new Headers({ Authorization: `Basic${' '.repeat(30_000)}a b` })
  const delivery = { method: 'POST', url: 'https://inbox.example/in/it', headers, body: bytes('') }
  expect(await verify(source, delivery, NOW)).toEqual({ accepted: false, reason: 'missing_token' })
})

test('what is kept of the headers names nobody who passed the delivery on', async () => {
  const given = caseOf('github')
  const delivery = deliveryOf(given)
  for (const name of ['X-Real-IP', 'Forwarded', 'True-Client-IP', 'X-Forwarded-For', 'CF-Ray'])
    delivery.headers.set(name, '203.0.113.7')
  const verdict = await verify(sourceOf(given), delivery, NOW)
  if (!verdict.accepted) throw new Error(verdict.reason)
  expect(metadataOf(sourceOf(given), delivery, verdict)).not.toContain('203.0.113.7')
})
