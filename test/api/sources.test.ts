import { describe, expect } from 'vitest'
import type { Source } from '../../client/types'
import { GENERIC_CASES } from './sources/generic-cases'
import {
  type Case,
  configuredSecrets,
  deliveryOf,
  hmac,
  signingOf,
  URL_SIGNED,
} from './sources/deliveries'
import { SENDER_CASES } from './sources/sender-cases'
import { logged, logText } from '../support/logs'
import { type Inbox, inParallel, test as base } from '../support/world'

/** Every type of source through the worker: its URL, its answer, and what is stored and counted. */

const CASES = [...SENDER_CASES, ...GENERIC_CASES].map((given, n) => ({ given, name: `s${n}` }))
const WRONG = 'wrong'

const test = base.extend('vars', { scope: 'file' }, async () => ({
  MAX_RETRIES: '3',
  SOURCES: JSON.stringify([
    ...CASES.map(({ given, name }) => ({
      name,
      type: given.type,
      url: URL_SIGNED,
      ...given.members,
    })),
    { name: WRONG, type: 'stripe' },
    { name: 'quiet', type: 'github' },
  ]),
  SOURCE_SECRETS: JSON.stringify({
    ...Object.fromEntries(CASES.map(({ given, name }) => [name, configuredSecrets(given)])),
    quiet: ['quiet secret'],
  }),
}))

const countsOf = async (inbox: Inbox, name: string) =>
  (await inbox.metrics()).sources.find((each) => each.name === name)

/** Posts a delivery of a case as its sender does. */
async function deliver(
  inbox: Inbox,
  { given, name }: { given: Case; name: string },
  { change = (body: Uint8Array) => body, at = Date.now(), without = '', secret = 0 } = {},
) {
  const path = `/in/${name}?shop=1`
  const url = new URL(path, inbox.url).href
  const delivery = deliveryOf(given, { at, url, secret })
  if (without) delivery.headers.delete(without)
  const whole = delivery.token ? url.replace('?', `/${delivery.token}?`) : url
  const response = await fetch(whole, {
    method: 'POST',
    headers: delivery.headers,
    body: change(delivery.body) as BodyInit,
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

const flipped = (body: Uint8Array) =>
  body.map((byte, at) => (at === body.length >> 1 ? byte ^ 1 : byte))

const of = (type: string) => {
  const found = CASES.find(({ given }) => given.type === type)
  if (!found) throw new Error(type)
  return found
}

describe('a source', () => {
  test.for(CASES.map((each) => [`${each.given.type} ${each.given.header}`, each] as const))(
    'of type %s takes what its sender sends, once, and refuses what it did not send',
    async ([, each], { inbox, server }) => {
      const { given, name } = each
      const first = await deliver(inbox, each)
      expect([first.status, first.text]).toEqual([
        expect.toSatisfy((s) => s === 200 || s === 204),
        expect.any(String),
      ])
      await inbox.drained()
      const { data } = await inbox.client.list({ filter: { 'metadata.source': name } })
      const [event] = data
      expect(event?.metadata).toMatchObject({ source: name, type: given.eventType, id: given.id })
      expect(event?.event_id).toMatch(given.id === null ? /./ : new RegExp(`^${name}-`))

      const proven = given.type !== 'unverified'
      if (given.covers !== false && proven) {
        const refused = await deliver(inbox, each, { change: flipped })
        expect([refused.status, JSON.parse(refused.text).code]).toEqual([401, 'UNPROVEN_DELIVERY'])
        expect(refused.headers.get('WWW-Authenticate')).toBeTruthy()
      }
      if (proven) expect((await deliver(inbox, each, { secret: 2 })).status).toBe(401)
      if (given.header)
        expect((await deliver(inbox, each, { without: given.header })).status).toBe(401)
      const large = await deliver(inbox, each, { change: () => new Uint8Array(2_000_000) })
      expect([large.status, JSON.parse(large.text).code]).toEqual([413, 'CONTENT_TOO_LARGE'])
      const again = await deliver(inbox, each)
      expect(again.status).toBe(first.status)
      const counts = await countsOf(inbox, name)
      const hasId = given.id !== null
      const refusals =
        Number(given.covers !== false && proven) + Number(proven) + Number(given.header !== '')
      expect(counts).toMatchObject(
        hasId
          ? { accepted: 1, duplicates: 1, refused: refusals, last_event_id: event?.event_id }
          : { refused: refusals },
      )
      const lines = logged(server, 'request').filter((line) => line.source === name)
      expect(lines.filter(({ reason }) => reason)).toHaveLength(refusals)
      const all = logText(server) + first.text + large.text + again.text
      for (const text of configuredSecrets(given).secrets.filter(Boolean))
        expect(all).not.toContain(text)
    },
  )
})

describe('a delivery', () => {
  const github = (inbox: Inbox, name: string, id: string, body: string, secret = 'quiet secret') =>
    fetch(new URL(`/in/${name}`, inbox.url), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'X-GitHub-Event': 'push',
        'X-GitHub-Delivery': id,
        'X-Hub-Signature-256': `sha256=${hmac(secret, body)}`,
      },
      body,
    })

  test('that comes 100 times at once is one event, and gets 100 answers of 2xx, of every type', async ({
    inbox,
  }) => {
    for (const each of CASES.filter(({ given }) => given.id !== null || given.header !== '')) {
      const { given, name } = each
      const before = await countsOf(inbox, name)
      const at = Date.now() - 1_000
      const statuses: number[] = []
      await inParallel(100, 100, async () => {
        statuses.push((await deliver(inbox, each, { at })).status)
      })
      expect([given.type, statuses.filter((status) => status >= 300)]).toEqual([given.type, []])
      const after = await countsOf(inbox, name)
      const more = (what: 'accepted' | 'duplicates') => (after?.[what] ?? 0) - (before?.[what] ?? 0)
      expect([given.type, more('accepted') + more('duplicates')]).toEqual([given.type, 100])
      if (given.id !== null)
        expect([given.type, more('accepted')]).toEqual([given.type, before?.accepted ? 0 : 1])
    }
    await inbox.drained()
    await inbox.expectVerified()
  })

  test('of an unknown source is a 404, of a wrong one a 503 whose reason is in the log; others go on', async ({
    inbox,
    server,
  }) => {
    const unknown = await inbox.call('POST', '/in/nobody', {})
    expect([unknown.status, unknown.body.code]).toEqual([404, 'SOURCE_NOT_FOUND'])
    const wrong = await inbox.call('POST', `/in/${WRONG}`, {})
    expect([wrong.status, wrong.body.code]).toEqual([503, 'NOT_CONFIGURED'])
    const told = logged(server, 'the configuration is not right')
    expect(JSON.stringify(told)).toContain(`\\"${WRONG}\\" has no secret`)
    expect((await github(inbox, 'quiet', 'goes-on', '{}')).status).toBe(200)
    expect((await inbox.get('/metrics')).status).toBe(200)
    expect((await inbox.get('/health?ready=1')).status).toBe(200)
    const listed = await inbox.get<Source[]>('/sources')
    const rows = new Map(listed.body.data.map((row) => [row.name, row]))
    expect(rows.get(WRONG)).toMatchObject({ ready: false })
    expect(rows.get('quiet')).toMatchObject({
      type: 'github',
      ready: true,
      url: new URL('/in/quiet', inbox.url).href,
    })
    for (const secret of CASES.flatMap(({ given }) => configuredSecrets(given).secrets))
      if (secret !== '') expect(listed.text).not.toContain(secret)
  })

  test('that is too large is a 413 before anything is signed, and is not stored', async ({
    inbox,
  }) => {
    const { total } = await inbox.metrics()
    const large = await github(
      inbox,
      'quiet',
      'large',
      JSON.stringify('x'.repeat(2_000_000)),
      'wrong',
    )
    expect(large.status).toBe(413)
    // It fits as it came, and not as it would be stored.
    const bytes = Buffer.alloc(1_400_000, 0xff)
    const binary = await fetch(new URL('/in/quiet', inbox.url), {
      method: 'POST',
      headers: {
        'X-GitHub-Delivery': 'binary',
        'X-Hub-Signature-256': `sha256=${hmac('quiet secret', bytes as never)}`,
      },
      body: bytes,
    })
    expect(binary.status).toBe(413)
    expect((await inbox.metrics()).total).toBe(total)
  })

  test('that is refused costs no row but one a minute; the counts are told with the next event', async ({
    inbox,
  }) => {
    const before = (await countsOf(inbox, 'quiet'))?.refused ?? 0
    await inParallel(200, 20, async (n) => {
      const answer = await github(inbox, 'quiet', `flood-${n}`, '{}', 'another secret')
      expect(answer.status).toBe(401)
      await answer.text()
    })
    expect((await countsOf(inbox, 'quiet'))?.refused).toBe(before + 200)
    const stored = async () => {
      const shards = await Promise.all(
        [0, 1].map((index) => inbox.shardRows(index, 'SELECT sources FROM counters')),
      )
      return shards.flat().reduce((sum, row) => {
        const counts = new Map<string, { refused: number }>(JSON.parse(String(row.sources ?? '[]')))
        return sum + (counts.get('quiet')?.refused ?? 0)
      }, 0)
    }
    expect(await stored()).toBeLessThanOrEqual(before + 1)
    // A counter of Prometheus must not fall when another isolate answers: it has what the shards were told.
    const scraped = async () => {
      const { text } = await inbox.get('/metrics?format=prometheus')
      return Number(/source_refused_total\{source="quiet"\} (\d+)/.exec(text)?.[1])
    }
    expect(await scraped()).toBe(await stored())
    expect((await github(inbox, 'quiet', 'after-the-flood', '{"n":1}')).status).toBe(200)
    expect(await stored()).toBe(before + 200)
    expect((await countsOf(inbox, 'quiet'))?.refused).toBe(before + 200)
  })
})

test('the secret in a URL is never logged, however the URL is written', async ({
  inbox,
  server,
}) => {
  const { name, given } = of('url-token')
  const [secret = ''] = configuredSecrets(given).secrets
  for (const path of [
    `/in/${name}/${secret}`,
    `//in/${name}/${secret}`,
    `/IN/${name}/${secret}`,
    `/in/${name}%2F${secret}`,
    `/in/${name}/x/${secret}`,
  ])
    await fetch(new URL(inbox.url.origin + path), { method: 'PUT' })
  expect(logText(server)).not.toContain(secret)
})

describe('a question of the sender', () => {
  const ask = (inbox: Inbox, type: string, body: string, contentType = 'application/json') => {
    const { given, name } = of(type)
    return deliver(inbox, { given: { ...given, body, contentType }, name })
  }

  test('is answered once it is proven, and stored never', async ({ inbox }) => {
    const { total } = await inbox.metrics()
    const challenge = await ask(inbox, 'slack', '{"type":"url_verification","challenge":"abc"}')
    expect([challenge.status, challenge.text]).toEqual([200, 'abc'])
    const check = await ask(inbox, 'slack', 'ssl_check=1', 'application/x-www-form-urlencoded')
    expect([check.status, check.text]).toEqual([200, ''])
    const zoom = await ask(
      inbox,
      'zoom',
      '{"event":"endpoint.url_validation","payload":{"plainToken":"p"}}',
    )
    expect(JSON.parse(zoom.text)).toEqual({
      plainToken: 'p',
      encryptedToken: hmac(signingOf(of('zoom').given), 'p'),
    })
    expect((await ask(inbox, 'discord', '{"type":0}')).status).toBe(204)
    expect((await inbox.metrics()).total).toBe(total)
    const unsigned = await inbox.call(
      'POST',
      `/in/${of('slack').name}`,
      '{"type":"url_verification","challenge":"x"}',
    )
    expect(unsigned.status).toBe(401)
  })

  test('of Meta needs its verify token; other sources are asked by POST only', async ({
    inbox,
  }) => {
    const { name } = of('meta')
    const query = (token: string) =>
      `/in/${name}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=${token}`
    const right = await inbox.call('GET', query('verify+me'))
    expect([right.status, right.text]).toEqual([200, '1158201444'])
    expect((await inbox.call('GET', query('wrong'))).status).toBe(401)
    const other = await inbox.call('GET', `/in/${of('github').name}`)
    expect([other.status, other.headers.get('Allow')]).toEqual([405, 'POST'])
  })
})
