/**
 * Holds the table of senders against their own libraries, those that are too large to be installed for every test:
 * what they sign, or take as signed, has to be accepted here, and by neither with another body.
 *
 *     npm install --no-save stripe@23.1.0 twilio@6.2.0 @shopify/shopify-api@13.1.0 @slack/bolt@5.1.0 \
 *       @linear/sdk@98.0.0 @paddle/paddle-node-sdk@3.9.0 square@46.0.0 @hubspot/api-client@14.0.1
 *     npm run check:sources
 */
import { createHmac } from 'node:crypto'
import { readSources } from '../shared/sources'
import { verify } from '../worker/ingest/sources/verify'

const SECRET = 'whsec_c2VjcmV0IG9mIHRoZSBjaGVjaw=='
/** As a Worker has it. Those who sign a URL sign it as it was entered, with an apostrophe. */
const REQUESTED = 'https://inbox.example/in/it?from=o%27neil'
const ENTERED = "https://inbox.example/in/it?from=o'neil"
const now = Date.now()
const seconds = String(Math.floor(now / 1_000))
const BODY = `{"id":"evt_1","type":"söng.played","webhookTimestamp":${now}}`

interface Signed {
  headers: Record<string, string>
  body?: string
  url?: string
}

interface Check {
  library: string
  type: string
  signed(): Promise<Signed>
  /** What the library says of the headers with a body; none where it only signs. */
  accepts?(headers: Record<string, string>, body: string): Promise<boolean>
}

/** A library that is not among the dependencies, and has no types here. */
async function load<T>(name: string): Promise<T> {
  const loaded = (await import(name)) as T & { default?: T }
  return { ...loaded.default, ...loaded }
}

const hmac = (message: string, encoding: 'hex' | 'base64') =>
  createHmac('sha256', SECRET).update(message).digest(encoding)

async function isTrue(check: () => unknown): Promise<boolean> {
  try {
    return (await check()) !== false
  } catch {
    return false
  }
}

interface Stripe {
  webhooks: {
    generateTestHeaderString(options: object): string
    constructEvent(body: string, header: string | undefined, secret: string): unknown
  }
}
interface Twilio {
  getExpectedTwilioSignature(token: string, url: string, fields: object): string
  getExpectedBodyHash(body: string): string
}
interface Shopify {
  shopifyApi(options: object): {
    webhooks: { validate(given: object): Promise<{ valid: boolean }> }
  }
}
interface Linear {
  LinearWebhookClient: new (secret: string) => {
    parseData(body: Buffer, signature: string | undefined): unknown
  }
}
interface Paddle {
  Paddle: new (key: string) => {
    webhooks: { isSignatureValid(...given: (string | undefined)[]): Promise<boolean> }
  }
}
interface HubSpot {
  Signature: {
    getSignature(method: string, version: string, options: object): string
    isValid(options: object): boolean
  }
}

const hubspotOptions = { clientSecret: SECRET, url: ENTERED, timestamp: now, method: 'POST' }
const FIELDS = { To: '+15551234567', Body: "it's 100% söng & dance", Media: ['b', 'a', 'b'], A: '' }

const CHECKS: Check[] = [
  {
    library: 'stripe',
    type: 'stripe',
    async signed() {
      const { webhooks } = await load<Stripe>('stripe')
      const options = { payload: BODY, secret: SECRET, timestamp: Number(seconds) }
      return { headers: { 'Stripe-Signature': webhooks.generateTestHeaderString(options) } }
    },
    async accepts(headers, body) {
      const { webhooks } = await load<Stripe>('stripe')
      return isTrue(() => webhooks.constructEvent(body, headers['Stripe-Signature'], SECRET))
    },
  },
  {
    library: 'twilio',
    type: 'twilio',
    async signed() {
      const { getExpectedTwilioSignature } = await load<Twilio>('twilio')
      const pairs = Object.entries(FIELDS).flatMap(([name, value]) =>
        [value].flat().map((each) => [name, each]),
      )
      const signature = getExpectedTwilioSignature(SECRET, ENTERED, FIELDS)
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const body = new URLSearchParams(pairs).toString()
      return { headers: { ...headers, 'X-Twilio-Signature': signature }, body }
    },
  },
  {
    library: 'twilio',
    type: 'twilio',
    async signed() {
      const { getExpectedTwilioSignature, getExpectedBodyHash } = await load<Twilio>('twilio')
      const url = `${REQUESTED}&bodySHA256=${getExpectedBodyHash(BODY)}`
      const withPort = url.replace('.example', '.example:443')
      return {
        headers: { 'X-Twilio-Signature': getExpectedTwilioSignature(SECRET, withPort, {}) },
        url,
      }
    },
  },
  {
    library: '@shopify/shopify-api',
    type: 'shopify',
    async signed() {
      const headers = { 'Shopify-Hmac-Sha256': hmac(BODY, 'base64'), 'Shopify-Topic': 'a/b' }
      const more = ['Shop-Domain', 'Api-Version', 'Webhook-Id', 'Event-Id']
      return {
        headers: {
          ...headers,
          ...Object.fromEntries(more.map((each) => [`Shopify-${each}`, '1'])),
        },
      }
    },
    async accepts(headers, rawBody) {
      await load('@shopify/shopify-api/adapters/web-api')
      const { shopifyApi } = await load<Shopify>('@shopify/shopify-api')
      const options = { apiKey: 'key', apiSecretKey: SECRET, apiVersion: '2026-07' }
      const { webhooks } = shopifyApi({ ...options, hostName: 'a.example', logger: { level: 0 } })
      const rawRequest = new Request(REQUESTED, { method: 'POST', headers })
      return (await webhooks.validate({ rawBody, rawRequest })).valid
    },
  },
  {
    library: '@slack/bolt',
    type: 'slack',
    async signed() {
      const signature = `v0=${hmac(`v0:${seconds}:${BODY}`, 'hex')}`
      return { headers: { 'x-slack-request-timestamp': seconds, 'x-slack-signature': signature } }
    },
    async accepts(headers, body) {
      const { verifySlackRequest } = await load<{ verifySlackRequest(options: object): void }>(
        '@slack/bolt',
      )
      return isTrue(() => verifySlackRequest({ signingSecret: SECRET, body, headers }))
    },
  },
  {
    library: '@linear/sdk/webhooks',
    type: 'linear',
    signed: async () => ({ headers: { 'Linear-Signature': hmac(BODY, 'hex') } }),
    async accepts(headers, body) {
      const { LinearWebhookClient } = await load<Linear>('@linear/sdk/webhooks')
      const client = new LinearWebhookClient(SECRET)
      return isTrue(() => client.parseData(Buffer.from(body), headers['Linear-Signature']))
    },
  },
  {
    library: '@paddle/paddle-node-sdk',
    type: 'paddle',
    async signed() {
      // It takes what is five seconds old at most.
      const at = Math.floor(Date.now() / 1_000)
      return { headers: { 'Paddle-Signature': `ts=${at};h1=${hmac(`${at}:${BODY}`, 'hex')}` } }
    },
    async accepts(headers, body) {
      const { Paddle } = await load<Paddle>('@paddle/paddle-node-sdk')
      return new Paddle('key').webhooks.isSignatureValid(body, SECRET, headers['Paddle-Signature'])
    },
  },
  {
    library: 'square',
    type: 'square',
    signed: async () => ({
      headers: { 'x-square-hmacsha256-signature': hmac(ENTERED + BODY, 'base64') },
    }),
    async accepts(headers, requestBody) {
      const { WebhooksHelper } = await load<{
        WebhooksHelper: { verifySignature(options: object): Promise<boolean> }
      }>('square')
      const signatureHeader = headers['x-square-hmacsha256-signature']
      const options = { requestBody, signatureHeader, signatureKey: SECRET }
      return WebhooksHelper.verifySignature({ ...options, notificationUrl: ENTERED })
    },
  },
  {
    library: '@hubspot/api-client',
    type: 'hubspot',
    async signed() {
      const { Signature } = await load<HubSpot>('@hubspot/api-client')
      const options = { ...hubspotOptions, requestBody: BODY }
      const headers = { 'X-HubSpot-Signature-v3': Signature.getSignature('POST', 'v3', options) }
      return { headers: { ...headers, 'X-HubSpot-Request-Timestamp': String(now) } }
    },
    async accepts(headers, requestBody) {
      const { Signature } = await load<HubSpot>('@hubspot/api-client')
      const signature = headers['X-HubSpot-Signature-v3']
      return Signature.isValid({
        ...hubspotOptions,
        requestBody,
        signature,
        signatureVersion: 'v3',
      })
    },
  },
]

let failed = 0
for (const { library, type, signed, accepts } of CHECKS) {
  const { headers, body = BODY, url = REQUESTED } = await signed()
  const { named } = readSources({ SOURCES: [{ name: 'it', type }], SOURCE_SECRET_IT: SECRET })
  const source = named.get('it')
  const here = async (text: string) => {
    const bytes = new TextEncoder().encode(text)
    const delivery = { method: 'POST', url, headers: new Headers(headers), body: bytes }
    return source != null && (await verify(source, delivery, now)).accepted
  }
  const other = body.replace('s', 'z')
  const results = {
    'accepted here': await here(body),
    'refused here with another body': !(await here(other)),
    ...(accepts && {
      'accepted there': await accepts(headers, body),
      'refused there with another body': !(await accepts(headers, other)),
    }),
  }
  for (const [what, isRight] of Object.entries(results)) {
    if (!isRight) failed++
    console.log(`${isRight ? 'ok    ' : 'FAILED'} ${type.padEnd(8)} ${library.padEnd(24)} ${what}`)
  }
}
process.exitCode = failed > 0 ? 1 : 0
