import { sign } from 'node:crypto'
import {
  type Case,
  ed25519,
  hmac,
  listed,
  p256,
  seconds,
  type Signing,
  sorted,
  standard,
  standardHmac,
  TEXTS,
  URL_SIGNED,
  WHSEC,
  whpk,
} from './deliveries'

/** A case or more of each sender that is known by name. */

const hub = (header: string, more: Record<string, string>) => ({
  header,
  headers: ({ secret, body }: Signing) => ({ [header]: `sha256=${hmac(secret, body)}`, ...more }),
})

const ZEROS = '0'.repeat(64)

export const SENDER_CASES: Case[] = [
  {
    type: 'github',
    secrets: TEXTS,
    id: 'g-1',
    eventType: 'push',
    ...hub('x-hub-signature-256', { 'x-github-delivery': 'g-1', 'x-github-event': 'push' }),
  },
  {
    type: 'stripe',
    secrets: WHSEC,
    header: 'stripe-signature',
    body: '{"id":"evt_1","type":"charge.succeeded"}',
    tolerance: 300,
    several: true,
    id: 'evt_1',
    eventType: 'charge.succeeded',
    headers(given) {
      const right = hmac(given.secret, `${seconds(given.at)}.${given.body}`)
      const all = listed(given, 'v1=', ZEROS, right)
      return { 'stripe-signature': [`t=${seconds(given.at)}`, 'v0=00', ...all].join(',') }
    },
  },
  ...(['x-shopify', 'shopify'] as const).map((names) => ({
    type: 'shopify' as const,
    secrets: TEXTS,
    header: `${names}-hmac-sha256`,
    id: 's-1',
    eventType: 'orders/create',
    headers: ({ secret, body }: Signing) => ({
      [`${names}-hmac-sha256`]: hmac(secret, body, 'base64'),
      [`${names}-webhook-id`]: 's-1',
      [`${names}-topic`]: 'orders/create',
    }),
  })),
  {
    type: 'slack',
    secrets: TEXTS,
    header: 'x-slack-signature',
    body: '{"event_id":"Ev1","type":"event_callback","event":{"type":"reaction_added"}}',
    tolerance: 300,
    timeHeader: 'x-slack-request-timestamp',
    id: 'Ev1',
    eventType: 'reaction_added',
    headers: ({ secret, at, body }) => ({
      'x-slack-request-timestamp': seconds(at),
      'x-slack-signature': `v0=${hmac(secret, `v0:${seconds(at)}:${body}`)}`,
    }),
  },
  {
    type: 'gitlab',
    secrets: TEXTS,
    header: 'x-gitlab-token',
    covers: false,
    id: 'gl-1',
    eventType: 'Push Hook',
    headers: ({ secret }) => ({
      'x-gitlab-token': secret,
      'idempotency-key': 'gl-1',
      'x-gitlab-event': 'Push Hook',
    }),
  },
  {
    type: 'gitlab',
    secrets: WHSEC,
    header: 'webhook-signature',
    tolerance: 300,
    timeHeader: 'webhook-timestamp',
    several: true,
    id: 'msg_1',
    eventType: 'Push Hook',
    headers: (given) => ({
      ...standard('webhook', standardHmac)(given),
      'idempotency-key': 'msg_1',
      'x-gitlab-event': 'Push Hook',
    }),
  },
  ...(['webhook', 'svix'] as const).map((names) => ({
    type: 'standard-webhooks' as const,
    secrets: WHSEC,
    header: `${names}-signature`,
    body: '{"type":"invoice.paid"}',
    tolerance: 300,
    timeHeader: `${names}-timestamp`,
    several: true,
    id: 'msg_1',
    eventType: 'invoice.paid',
    headers: standard(names, standardHmac),
  })),
  {
    type: 'standard-webhooks',
    secrets: [whpk(), whpk(), whpk()],
    header: 'webhook-signature',
    body: '{"type":"invoice.paid"}',
    tolerance: 300,
    timeHeader: 'webhook-timestamp',
    id: 'msg_1',
    eventType: 'invoice.paid',
    headers: standard(
      'webhook',
      (secret, message) => `v1a,${sign(null, Buffer.from(message), secret).toString('base64')}`,
    ),
  },
  {
    type: 'twilio',
    secrets: TEXTS,
    header: 'x-twilio-signature',
    body: 'From=%2B15551234567&Body=it%27s+me&AccountSid=AC1',
    contentType: 'application/x-www-form-urlencoded; charset=UTF-8',
    id: 'tw-1',
    eventType: null,
    headers: ({ secret, body }) => ({
      'x-twilio-signature': hmac(secret, URL_SIGNED + sorted(body), 'base64', 'sha1'),
      'i-twilio-idempotency-token': 'tw-1',
    }),
  },
  {
    type: 'discord',
    secrets: [ed25519(), ed25519(), ed25519()],
    header: 'x-signature-ed25519',
    body: '{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}',
    timeHeader: 'x-signature-timestamp',
    id: null,
    eventType: 'ENTITLEMENT_CREATE',
    headers: ({ secret, at, body }) => ({
      'x-signature-timestamp': seconds(at),
      'x-signature-ed25519': sign(null, Buffer.from(seconds(at) + body), secret).toString('hex'),
    }),
  },
  {
    type: 'linear',
    secrets: TEXTS,
    header: 'linear-signature',
    body: '{"type":"Issue","webhookTimestamp":TIME}',
    tolerance: 60,
    id: 'l-1',
    eventType: 'Issue',
    headers: ({ secret, body }) => ({
      'linear-signature': hmac(secret, body),
      'linear-delivery': 'l-1',
      'linear-event': 'Issue',
    }),
  },
  {
    type: 'paddle',
    secrets: TEXTS,
    header: 'paddle-signature',
    body: '{"event_id":"evt_2","event_type":"transaction.paid"}',
    tolerance: 300,
    several: true,
    id: 'evt_2',
    eventType: 'transaction.paid',
    headers(given) {
      const right = hmac(given.secret, `${seconds(given.at)}:${given.body}`)
      const all = listed(given, 'h1=', ZEROS, right)
      return { 'paddle-signature': [`ts=${seconds(given.at)}`, ...all].join(';') }
    },
  },
  {
    type: 'sendgrid',
    secrets: [p256(), p256(), p256()],
    header: 'x-twilio-email-event-webhook-signature',
    body: '[{"event":"open"}]\r\n',
    timeHeader: 'x-twilio-email-event-webhook-timestamp',
    id: null,
    eventType: null,
    headers: ({ secret, at, body }) => ({
      'x-twilio-email-event-webhook-timestamp': seconds(at),
      'x-twilio-email-event-webhook-signature': sign(
        'sha256',
        Buffer.from(seconds(at) + body),
        secret,
      ).toString('base64'),
    }),
  },
  {
    type: 'zoom',
    secrets: TEXTS,
    header: 'x-zm-signature',
    body: '{"event":"meeting.started","payload":{}}',
    timeHeader: 'x-zm-request-timestamp',
    id: null,
    eventType: 'meeting.started',
    headers: ({ secret, at, body }) => ({
      'x-zm-request-timestamp': seconds(at),
      'x-zm-signature': `v0=${hmac(secret, `v0:${seconds(at)}:${body}`)}`,
    }),
  },
  {
    type: 'meta',
    secrets: TEXTS,
    body: '{"object":"page","entry":[]}',
    id: null,
    eventType: 'page',
    ...hub('x-hub-signature-256', {}),
  },
  {
    type: 'jira',
    secrets: TEXTS,
    body: '{"webhookEvent":"jira:issue_created"}',
    id: 'j-1',
    eventType: 'jira:issue_created',
    ...hub('x-hub-signature', { 'x-atlassian-webhook-identifier': 'j-1' }),
  },
  {
    type: 'bitbucket',
    secrets: TEXTS,
    id: 'b-1',
    eventType: 'repo:push',
    ...hub('x-hub-signature', { 'x-request-uuid': 'b-1', 'x-event-key': 'repo:push' }),
  },
  {
    type: 'square',
    secrets: TEXTS,
    header: 'x-square-hmacsha256-signature',
    body: '{"event_id":"sq-1","type":"payment.created"}',
    id: 'sq-1',
    eventType: 'payment.created',
    headers: ({ secret, body }) => ({
      'x-square-hmacsha256-signature': hmac(secret, URL_SIGNED + body, 'base64'),
    }),
  },
  {
    type: 'hubspot',
    secrets: TEXTS,
    header: 'x-hubspot-signature-v3',
    body: '[{"subscriptionType":"contact.creation","attemptNumber":0}]',
    tolerance: 300,
    timeHeader: 'x-hubspot-request-timestamp',
    id: null,
    eventType: 'contact.creation',
    headers: ({ secret, at, body }) => ({
      'x-hubspot-request-timestamp': String(at),
      'x-hubspot-signature-v3': hmac(secret, `POST${URL_SIGNED}${body}${at}`, 'base64'),
    }),
  },
]
