import { describe, expect, test } from 'vitest'
import { readSources, type Source } from '../../../shared/sources'
import type { Delivery } from '../../../worker/ingest/sources/delivery'
import { verify } from '../../../worker/ingest/sources/verify'
import { hmac, NOW, p256, seconds, sha256, standardHmac, WHSEC } from './deliveries'

/** What only some types do. */

function source(entry: Record<string, unknown>, ...secrets: string[]): Source {
  const { named, mistakes } = readSources({
    SOURCES: [{ name: 'it', ...entry }],
    SOURCE_SECRETS: JSON.stringify({ it: secrets }),
  })
  const found = named.get('it')
  if (!found) throw new Error(mistakes.join())
  return found
}

const BODY = '{"a":1}'
const SENDGRID_HEADER = 'X-Twilio-Email-Event-Webhook-Signature'

function posted(headers: Record<string, string>, more: Partial<Delivery> = {}): Delivery {
  return {
    method: 'POST',
    url: 'https://worker.example/in/it',
    headers: new Headers({ 'Content-Type': 'application/json', ...headers }),
    body: new TextEncoder().encode(BODY),
    ...more,
  }
}

const verdictOf = async (of: Source, delivery: Delivery) => {
  const verdict = await verify(of, delivery, NOW)
  return verdict.accepted ? 'accepted' : verdict.reason
}

const standard = (names: string, id = 'msg_1') => ({
  [`${names}-id`]: id,
  [`${names}-timestamp`]: seconds(NOW),
  [`${names}-signature`]: standardHmac(WHSEC[0], `${id}.${seconds(NOW)}.${BODY}`),
})

describe('GitLab', () => {
  const token = { 'X-Gitlab-Token': WHSEC[0], 'Idempotency-Key': 'other' }

  test('has to sign once it is configured with a signing token', async () => {
    const gitlab = source({ type: 'gitlab' }, WHSEC[0])
    expect(await verdictOf(gitlab, posted(token))).toBe('missing_signature')
    const signed = posted({ ...standard('webhook'), ...token })
    expect(await verify(gitlab, signed, NOW)).toMatchObject({ accepted: true, id: 'msg_1' })
  })

  test('may do either while a token is replaced by a signature', async () => {
    const gitlab = source({ type: 'gitlab' }, WHSEC[0], 'plain')
    expect(await verdictOf(gitlab, posted({ 'X-Gitlab-Token': 'plain' }))).toBe('accepted')
    expect(await verdictOf(gitlab, posted(standard('webhook')))).toBe('accepted')
    expect(await verdictOf(gitlab, posted(token))).toBe('wrong_token')
    expect(await verdictOf(gitlab, posted({}))).toBe('missing_token')
  })
})

describe('Standard Webhooks', () => {
  const webhooks = source({ type: 'standard-webhooks' }, WHSEC[0])

  test('is told by the id that is signed, whichever others there are', async () => {
    const more = { ...standard('svix'), 'webhook-id': 'msg_2' }
    expect(await verdictOf(webhooks, posted(more))).toBe('wrong_signature')
    expect(await verdictOf(webhooks, posted(standard('svix')))).toBe('accepted')
  })

  test('needs an id', async () => {
    const { 'webhook-id': _, ...headers } = standard('webhook')
    expect(await verdictOf(webhooks, posted(headers))).toBe('missing_id')
  })

  test('with a public key takes no HMAC of that key', async () => {
    const key = Buffer.alloc(32, 7)
    const asymmetric = source({ type: 'standard-webhooks' }, `whpk_${key.toString('base64')}`)
    const mac = hmac(key, `msg_1.${seconds(NOW)}.${BODY}`, 'base64')
    const headers = { ...standard('webhook'), 'webhook-signature': `v1,${mac}` }
    expect(await verdictOf(asymmetric, posted(headers))).toBe('malformed_signature')
  })
})

describe('Twilio', () => {
  const signedUrl = (url: string) => ({ 'X-Twilio-Signature': hmac('s', url, 'base64', 'sha1') })
  const twilio = source({ type: 'twilio' }, 's')

  test('signs JSON by a digest in the URL', async () => {
    const url = `https://worker.example/in/it?a=b&bodySHA256=${sha256(BODY)}`
    expect(await verdictOf(twilio, posted(signedUrl(url), { url }))).toBe('accepted')
    const body = new TextEncoder().encode(BODY.replace('1', '2'))
    expect(await verdictOf(twilio, posted(signedUrl(url), { url, body }))).toBe('unsigned_body')
  })

  test('adds that digest to the URL that is configured', async () => {
    const configured = source({ type: 'twilio', url: 'https://public.example/in/it' }, 's')
    const query = `?bodySHA256=${sha256(BODY)}`
    const headers = signedUrl(`https://public.example/in/it${query}`)
    const delivery = posted(headers, { url: `https://worker.example/in/it${query}` })
    expect(await verdictOf(configured, delivery)).toBe('accepted')
  })

  test('signs nothing of a body that is neither a form nor has a digest', async () => {
    const headers = signedUrl('https://worker.example/in/it')
    expect(await verdictOf(twilio, posted(headers))).toBe('unsigned_body')
    expect(await verdictOf(twilio, posted(headers, { body: new Uint8Array() }))).toBe('accepted')
  })
})

describe('the URL', () => {
  const signedWith = (url: string) => ({
    'x-square-hmacsha256-signature': hmac('s', url + BODY, 'base64'),
  })
  const worker = 'https://worker.example/in/it'

  test('is that of the request, or else the one that is configured', async () => {
    const url = 'https://public.example/hooks'
    const square = source({ type: 'square' }, 's')
    const proxied = source({ type: 'square', url }, 's')
    expect(await verdictOf(square, posted(signedWith(worker)))).toBe('accepted')
    expect(await verdictOf(square, posted(signedWith(url)))).toBe('wrong_signature')
    expect(await verdictOf(proxied, posted(signedWith(url)))).toBe('accepted')
    expect(await verdictOf(proxied, posted(signedWith(worker)))).toBe('wrong_signature')
  })

  test('is tried as it was entered: with its port, and with an apostrophe', async () => {
    const square = source({ type: 'square' }, 's')
    const url = `${worker}?to=o%27neil`
    const entered = "https://worker.example:443/in/it?to=o'neil"
    expect(await verdictOf(square, posted(signedWith(entered), { url }))).toBe('accepted')
  })
})

describe('a time', () => {
  const entry = {
    type: 'hmac',
    header: 'X-Mac',
    signed: '{timestamp}{body}',
    timestamp: 'header:X-Time',
  }
  const at = (time: string) => posted({ 'X-Time': time, 'X-Mac': hmac('s', time + BODY) })

  test.each([
    [seconds(NOW), 'accepted'],
    [String(NOW - 299_000), 'accepted'],
    [new Date(NOW).toISOString(), 'accepted'],
    ['2026-11-21T14:00:00.123456789+02:00', 'accepted'],
    [String(NOW - 301_000), 'too_old'],
    ['2026-11-21T12:00:00+02:00', 'too_old'],
    ['2026-11-21T12:06:00Z', 'too_new'],
    ['2026-02-30T12:00:00Z', 'malformed_timestamp'],
    ['now', 'malformed_timestamp'],
    ['-1', 'malformed_timestamp'],
    ['1e9', 'malformed_timestamp'],
    ['9'.repeat(20), 'malformed_timestamp'],
  ])('%s is %s', async (time, verdict) => {
    expect(await verdictOf(source(entry, 's'), at(time))).toBe(verdict)
  })

  test('in the body is looked at once that is known to be signed', async () => {
    const linear = source({ type: 'linear' }, 's')
    const signed = (body: string, secret = 's') =>
      posted({ 'Linear-Signature': hmac(secret, body) }, { body: new TextEncoder().encode(body) })
    expect(await verdictOf(linear, signed('{"webhookTimestamp":1}', 'x'))).toBe('wrong_signature')
    expect(await verdictOf(linear, signed('{"webhookTimestamp":1000000000000}'))).toBe('too_old')
    expect(await verdictOf(linear, signed('{"webhookTimestamp":"x"}'))).toBe('malformed_timestamp')
    expect(await verdictOf(linear, signed('{}'))).toBe('missing_timestamp')
  })
})

test('a key that is beside its curve proves nothing', async () => {
  const { configured } = p256() as { configured: string }
  const bytes = Buffer.from(configured, 'base64')
  bytes.fill(1, 27)
  const sendgrid = source({ type: 'sendgrid' }, bytes.toString('base64'))
  const headers = {
    [SENDGRID_HEADER]: 'MAYCAQECAQE=',
    'X-Twilio-Email-Event-Webhook-Timestamp': seconds(NOW),
  }
  expect(await verdictOf(sendgrid, posted(headers))).toBe('unusable_secret')
})

test.each([
  ['github', 'text', 'X-Hub-Signature-256', `sha256=${'0'.repeat(62)}`],
  ['shopify', 'text', 'X-Shopify-Hmac-Sha256', 'MA=='],
  ['discord', '07'.repeat(32), 'X-Signature-Ed25519', '00'.repeat(63)],
  ['sendgrid', (p256() as { configured: string }).configured, SENDGRID_HEADER, 'MAMCAQE='],
])('a signature of %s of a wrong length is malformed', async (type, secret, header, signature) => {
  const delivery = posted({ [header]: signature, 'X-Signature-Timestamp': seconds(NOW) })
  expect(await verdictOf(source({ type }, secret), delivery)).toBe('malformed_signature')
})

describe('user and password', () => {
  const basic = source({ type: 'basic' }, 'me:it:self')
  const given = (text: string) => posted({ Authorization: text })
  const encoded = (text: string) => Buffer.from(text).toString('base64')

  test.each([
    [`Basic ${encoded('me:it:self')}`, 'accepted'],
    [`basic  ${encoded('me:it:self')} `, 'accepted'],
    [`Basic ${encoded('me:it')}`, 'wrong_token'],
    ['Basic ü', 'wrong_token'],
    ['Basic', 'missing_token'],
    ['Bearer me:it:self', 'missing_token'],
  ])('%s is %s', async (header, verdict) => {
    expect(await verdictOf(basic, given(header))).toBe(verdict)
  })
})
