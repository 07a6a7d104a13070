import { createRequire } from 'node:module'
import { sign } from '@octokit/webhooks-methods'
import { verifyKey } from 'discord-interactions'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { readSources, type Source } from '../../../shared/sources'
import type { Delivery } from '../../../worker/ingest/sources/delivery'
import { verify } from '../../../worker/ingest/sources/verify'
import { deliveryOf, NOW, sourceOf, WHSEC } from './deliveries'
import { SENDER_CASES } from './sender-cases'

/** What the senders' own libraries sign, and what they say of our own deliveries. The large ones: scripts/check-sources.ts */

function sourceWith(type: string, secret: string): Source {
  const { named, mistakes } = readSources({
    SOURCES: [{ name: 'it', type }],
    SOURCE_SECRET_IT: secret,
  })
  const source = named.get('it')
  if (!source) throw new Error(mistakes.join())
  return source
}

function posted(body: string, headers: Record<string, string>): Delivery {
  return {
    method: 'POST',
    url: 'https://inbox.example/in/it',
    headers: new Headers(headers),
    body: new TextEncoder().encode(body),
  }
}

const ACCEPTED = { accepted: true }
const BODY = '{"type":"söng.played","n":1}'

test("GitHub's library signs what is accepted", async () => {
  const headers = { 'X-Hub-Signature-256': await sign('a secret', BODY) }
  expect(await verify(sourceWith('github', 'a secret'), posted(BODY, headers), NOW)).toMatchObject(
    ACCEPTED,
  )
})

test.each([
  ['webhook', StandardWebhook],
  ['svix', SvixWebhook],
] as const)('the library of %s signs what is accepted', async (names, Webhook) => {
  const [secret] = WHSEC
  const headers = {
    [`${names}-id`]: 'msg_1',
    [`${names}-timestamp`]: String(NOW / 1_000),
    [`${names}-signature`]: new Webhook(secret).sign('msg_1', new Date(NOW), BODY),
  }
  const verdict = await verify(sourceWith('standard-webhooks', secret), posted(BODY, headers), NOW)
  expect(verdict).toMatchObject({ ...ACCEPTED, id: 'msg_1', type: 'söng.played' })
})

interface Ecdsa {
  Ecdsa: { sign(message: string, key: object): { toBase64(): string } }
  PrivateKey: new (curve: object) => { publicKey(): { toPem(): string } }
}

test("SendGrid's library signs what is accepted, whatever the lengths of its numbers", async () => {
  const ecdsa = createRequire(import.meta.url)('starkbank-ecdsa') as Ecdsa
  const { p256 } = createRequire(import.meta.url)('starkbank-ecdsa/ellipticcurve/curve.js') as {
    p256: object
  }
  const key = new ecdsa.PrivateKey(p256)
  const source = sourceWith('sendgrid', key.publicKey().toPem())
  for (let at = 10; at < 30; at++) {
    const headers = {
      'X-Twilio-Email-Event-Webhook-Timestamp': `16001125${at}`,
      'X-Twilio-Email-Event-Webhook-Signature': ecdsa.Ecdsa.sign(
        `16001125${at}${BODY}`,
        key,
      ).toBase64(),
    }
    expect(await verify(source, posted(BODY, headers), NOW)).toMatchObject(ACCEPTED)
  }
})

test("Discord's library accepts what is accepted here", async () => {
  const discord = SENDER_CASES.find(({ type }) => type === 'discord')
  if (!discord) throw new Error('there is no case of discord')
  const delivery = deliveryOf(discord)
  const signature = delivery.headers.get('X-Signature-Ed25519') ?? ''
  const timestamp = delivery.headers.get('X-Signature-Timestamp') ?? ''
  const { configured } = discord.secrets[0] as { configured: string }
  expect(await verifyKey(delivery.body, signature, timestamp, configured)).toBe(true)
  expect(await verify(sourceOf(discord), delivery, NOW)).toMatchObject(ACCEPTED)
})
