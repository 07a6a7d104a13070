import { type Case, hmac, seconds, type Signing, TEXTS, URL_SIGNED } from './deliveries'

/** Cases of the types for every other sender. */

const PASSWORDS: [string, string, string] = ['me:its own', 'me:the new:one', 'you:another']
const TOKENS: [string, string, string] = ['its-own.secret', 'the~new_secret', 'of-another']

const NAMED = { id: 'header:X-Id', event_type: '/kind' }
const base = { body: '{"kind":"made"}', id: 'n-1', eventType: 'made' }
const named = (headers: Record<string, string>) => ({ ...headers, 'x-id': 'n-1' })

export const GENERIC_CASES: Case[] = [
  {
    ...base,
    type: 'hmac',
    members: { header: 'X-Mac', id: NAMED.id, event_type: NAMED.event_type },
    secrets: TEXTS,
    header: 'x-mac',
    headers: ({ secret, body }) => named({ 'x-mac': hmac(secret, body) }),
  },
  {
    ...base,
    type: 'hmac',
    members: {
      header: 'X-Mac',
      algorithm: 'sha512',
      encoding: 'base64url',
      prefix: 'm=',
      separator: ' ',
      signed: '{method} {url} {id}.{timestamp}.{body}',
      secret_encoding: 'hex',
      timestamp: 'header:X-Time',
      tolerance: 30,
      id: NAMED.id,
      event_type: NAMED.event_type,
    },
    // As long as real ones: what is short stands in an id in the log sooner or later.
    secrets: [
      '00ff5a3c9e7714d2a8b6c0e1f2934657',
      'AB12C4D6E8F00192A3B4C5D6E7F80910',
      '0123ef4567ab89cd0246ce8aace13579',
    ],
    header: 'x-mac',
    tolerance: 30,
    timeHeader: 'x-time',
    several: true,
    headers({ secret, at, body, others = 0 }: Signing) {
      const message = `POST ${URL_SIGNED} n-1.${seconds(at)}.${body}`
      const mac = hmac(Buffer.from(secret, 'hex'), message, 'base64url', 'sha512')
      const wrong = Buffer.alloc(64).toString('base64url')
      return named({
        'x-time': seconds(at),
        'x-mac': [...Array<string>(others).fill(`m=${wrong}`), `m=${mac}`].join(' '),
      })
    },
  },
  {
    ...base,
    type: 'token',
    members: { header: 'X-Key', prefix: 'Key ', id: NAMED.id, event_type: NAMED.event_type },
    secrets: TEXTS,
    header: 'x-key',
    covers: false,
    headers: ({ secret }) => named({ 'x-key': `Key ${secret}` }),
  },
  {
    ...base,
    type: 'basic',
    members: { id: NAMED.id, event_type: NAMED.event_type },
    secrets: PASSWORDS,
    header: 'authorization',
    covers: false,
    headers: ({ secret }) =>
      named({ authorization: `Basic ${Buffer.from(secret).toString('base64')}` }),
  },
  {
    ...base,
    type: 'url-token',
    members: { id: NAMED.id, event_type: NAMED.event_type },
    secrets: TOKENS,
    header: '',
    covers: false,
    headers: () => named({}),
  },
  {
    ...base,
    type: 'unverified',
    members: { id: NAMED.id, event_type: NAMED.event_type },
    secrets: ['', '', ''],
    header: '',
    covers: false,
    headers: () => named({}),
  },
]
