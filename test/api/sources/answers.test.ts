import { describe, expect, test } from 'vitest'
import { readSources } from '../../../shared/sources'
import { acknowledge } from '../../../worker/ingest/sources/ack'
import { handshakeAnswer, subscriptionAnswer } from '../../../worker/ingest/sources/handshake'
import { metadataOf } from '../../../worker/ingest/sources/metadata'
import { type Accepted, verify } from '../../../worker/ingest/sources/verify'
import { altered, type Case, deliveryOf, hmac, NOW, sourceOf, TEXTS } from './deliveries'
import { GENERIC_CASES } from './generic-cases'
import { SENDER_CASES } from './sender-cases'

/** What senders hear, and what is kept beside the payload. */

function caseOf(type: string): Case {
  const found = [...SENDER_CASES, ...GENERIC_CASES].find((each) => each.type === type)
  if (!found) throw new Error(`there is no case of ${type}`)
  return found
}

/** The verdict on a delivery of a type, with another body. */
async function accepted(type: string, body?: string, contentType?: string, secret = 0) {
  const given: Case = {
    ...caseOf(type),
    ...(body && { body }),
    ...(contentType && { contentType }),
  }
  const source = sourceOf(given, [1, 0])
  const delivery = deliveryOf(given, { secret })
  const verdict = await verify(source, delivery, NOW)
  if (!verdict.accepted) throw new Error(verdict.reason)
  return { source, delivery, verdict }
}

async function answerTo(type: string, body?: string, contentType?: string, secret = 0) {
  const { source, verdict } = await accepted(type, body, contentType, secret)
  const answer = await handshakeAnswer(source, verdict)
  return (
    answer && {
      status: answer.status,
      type: answer.headers.get('Content-Type'),
      text: await answer.text(),
    }
  )
}

describe('a handshake', () => {
  const plain = 'text/plain; charset=utf-8'

  test('of Slack is answered with its challenge, and its check of the certificate with nothing', async () => {
    const challenge = '{"type":"url_verification","challenge":"<b>3e</b>","token":"x"}'
    expect(await answerTo('slack', challenge)).toEqual({
      status: 200,
      type: plain,
      text: '<b>3e</b>',
    })
    expect(
      await answerTo('slack', 'ssl_check=1&token=x', 'application/x-www-form-urlencoded'),
    ).toEqual({
      status: 200,
      type: null,
      text: '',
    })
  })

  test.each([0, 1])(
    'of Zoom is answered with the secret that it was signed with: %i',
    async (secret) => {
      const body = '{"event":"endpoint.url_validation","payload":{"plainToken":"qg"}}'
      const answer = await answerTo('zoom', body, undefined, secret)
      expect(answer).toMatchObject({ status: 200, type: 'application/json' })
      expect(JSON.parse(answer?.text ?? '')).toEqual({
        plainToken: 'qg',
        encryptedToken: hmac(TEXTS[secret] ?? '', 'qg'),
      })
    },
  )

  test('of Discord is answered with 204', async () => {
    expect(await answerTo('discord', '{"version":1,"type":0}')).toEqual({
      status: 204,
      type: null,
      text: '',
    })
  })

  test('of Meta is answered for its verify token alone', async () => {
    const source = sourceOf(caseOf('meta'))
    const ask = (query: string) =>
      subscriptionAnswer(source, `https://inbox.example/in/meta?hub.challenge=115&${query}`)
    const answer = await ask('hub.mode=subscribe&hub.verify_token=verify+me')
    expect(answer).toBeInstanceOf(Response)
    expect((answer as Response).headers.get('Content-Type')).toBe(plain)
    expect(await (answer as Response).text()).toBe('115')
    expect(await ask('hub.mode=subscribe&hub.verify_token=its+own+secret')).toBe('wrong_token')
    expect(await ask('hub.mode=unsubscribe&hub.verify_token=verify+me')).toBe('wrong_token')
    expect(await ask('hub.mode=subscribe')).toBe('missing_token')
    expect(
      await subscriptionAnswer(sourceOf(caseOf('github')), 'https://inbox.example/'),
    ).toBeNull()
  })

  test.each(['slack', 'zoom', 'discord', 'meta', 'github'])(
    'is not what an event of %s is taken for',
    async (type) => {
      expect(await answerTo(type)).toBeNull()
    },
  )

  test.each([
    ['slack', '{"type":"url_verification"}'],
    ['zoom', '{"event":"endpoint.url_validation","payload":{"plainToken":1}}'],
    ['zoom', '{"event":"endpoint.url_validation"}'],
    ['discord', '{"type":"0"}'],
    ['slack', '[]'],
  ])('of %s that is malformed is an event: %s', async (type, body) => {
    expect(await answerTo(type, body)).toBeNull()
  })
})

describe('the answer to what is stored', () => {
  const answered = async (type: string, status: 'accepted' | 'duplicate') => {
    const answer = acknowledge(sourceOf(caseOf(type)).row.ack, 'it-1', status)
    return [answer.status, answer.headers.get('Content-Type'), await answer.text()]
  }

  test.each([
    ['slack', 200, null, ''],
    ['discord', 204, null, ''],
    ['twilio', 200, 'text/xml', '<Response/>'],
  ])('of %s is what it wants', async (type, status, contentType, text) => {
    for (const how of ['accepted', 'duplicate'] as const)
      expect(await answered(type, how)).toEqual([status, contentType, text])
  })

  test.each(['github', 'stripe', 'linear', 'paddle', 'meta', 'hmac'])(
    'of %s is a 200 that says how',
    async (type) => {
      for (const how of ['accepted', 'duplicate'] as const) {
        const [status, contentType, text] = await answered(type, how)
        expect([status, contentType]).toEqual([200, 'application/json'])
        expect(JSON.parse(String(text))).toEqual({
          data: { event_id: 'it-1', status: how },
          timestamp: expect.any(String),
        })
      }
    },
  )
})

describe('the metadata', () => {
  test('says what the sender said, and has no header that proves something', async () => {
    const { source, delivery, verdict } = await accepted('token')
    const more = {
      Authorization: 'Bearer secret-1',
      Cookie: 'secret-2',
      'X-Old-Signature': 'secret-3',
      'X-Hmac': 'secret-4',
      'X-Access-Token': 'secret-5',
      'Client-Secret': 'secret-6',
      'CF-Ray': 'secret-7',
      'X-Forwarded-For': 'secret-8',
      'User-Agent': 'Sender/1',
      __proto__x: '1',
    }
    for (const [name, value] of Object.entries(more)) delivery.headers.set(name, value)
    const text = metadataOf(source, delivery, verdict)
    expect(JSON.parse(text)).toEqual({
      source: 'here',
      type: 'made',
      id: 'n-1',
      content_type: 'application/json',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Sender/1',
        'x-id': 'n-1',
        __proto__x: '1',
      },
    })
    for (const secret of [...TEXTS, 'secret-']) expect(text).not.toContain(secret)
  })

  test('keeps a header of any name, and no more than 8 KiB of them', async () => {
    const { source, delivery, verdict } = await accepted('github')
    delivery.headers.set('__proto__', 'x')
    for (let at = 0; at < 40; at++) delivery.headers.set(`x-${at}`, 'é'.repeat(300))
    const { headers } = JSON.parse(metadataOf(source, delivery, verdict))
    expect(Object.keys(headers)).toContain('__proto__')
    expect(Object.keys(headers)).toContain('x-github-event')
    const size = Buffer.byteLength(JSON.stringify(headers))
    expect(size).toBeGreaterThan(7_500)
    expect(size).toBeLessThanOrEqual(8_192)
  })

  test('cuts an id that is longer than any, and the event is still told by all of it', async () => {
    const long = 'é'.repeat(5_000)
    const { source, delivery, verdict } = await accepted('stripe', JSON.stringify({ id: long }))
    expect(JSON.parse(metadataOf(source, delivery, verdict)).id).toBe(long.slice(0, 1_000))
    expect(verdict.identity).toEqual(['here', 'in', 'id', long])
  })
})

describe('which event it is', () => {
  const identityOf = async (type: string, body: string, headers: Record<string, string> = {}) => {
    const { source, delivery } = await accepted(type, body)
    for (const [name, value] of Object.entries(headers)) delivery.headers.set(name, value)
    return ((await verify(source, delivery, NOW)) as Accepted).identity
  }

  test('is told by large numbers as they were sent', async () => {
    const bodies = [
      '{"id":12345678901234567890}',
      '{"id":12345678901234567891}',
      '{"id":1.5}',
      '{"id":7}',
    ]
    const identities = await Promise.all(bodies.map((body) => identityOf('stripe', body)))
    expect(identities.map((each) => each?.[3])).toEqual([
      '12345678901234567890',
      '12345678901234567891',
      '1.5',
      '7',
    ])
  })

  test.each(['{"id":null}', '{"id":{"a":1}}', '{"id":""}', '{}', '[]', '"id"', 'no json'])(
    'is told by the body where the sender gives no id: %s',
    async (body) => {
      expect(await identityOf('stripe', body)).toEqual(['here', 'in', 'body', expect.any(String)])
    },
  )

  test('is the same for HubSpot however often it tries', async () => {
    const tried = (attempt: number, id = 1) => `[{"objectId":${id},"attemptNumber":${attempt}}]`
    const first = await identityOf('hubspot', tried(0))
    expect(await identityOf('hubspot', tried(12))).toEqual(first)
    expect(await identityOf('hubspot', tried(0, 2))).not.toEqual(first)
  })

  test('is not told for other senders, unless the configuration says how', async () => {
    const plain: Case = { ...caseOf('hmac'), members: { header: 'X-Mac' } }
    const verdict = await verify(sourceOf(plain), deliveryOf(plain), NOW)
    expect(verdict).toMatchObject({ accepted: true, id: null, type: null, identity: null })
    const digest: Case = { ...plain, members: { header: 'X-Mac', id: 'body' } }
    expect(await verify(sourceOf(digest), deliveryOf(digest), NOW)).toMatchObject({
      identity: ['here', 'in', 'body', expect.any(String)],
    })
  })

  test('is never what a prototype has', async () => {
    const { named } = readSources({
      SOURCES: [
        { name: 'a', type: 'unverified', id: '/constructor/name', event_type: '/a/length' },
      ],
    })
    const source = named.get('a')
    if (!source) throw new Error('a is wrong')
    const delivery = altered(deliveryOf(caseOf('github')), {
      body: new TextEncoder().encode('{"a":[1]}'),
    })
    expect(await verify(source, delivery, NOW)).toMatchObject({ id: null, type: null })
  })
})
