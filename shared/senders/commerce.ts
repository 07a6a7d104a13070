import type { SourceType } from '../source-types'
import { FIVE_MINUTES, HMAC_BASE64, HMAC_HEX } from './schemes'

/**
 * Senders of what customers do: payments, orders, calls, mails and posts.
 * The link above each row says where its facts come from.
 */

export const COMMERCE = {
  // https://docs.stripe.com/webhooks/signature
  stripe: {
    label: 'Stripe',
    schemes: [
      {
        ...HMAC_HEX,
        headers: ['stripe-signature'],
        separator: ',',
        prefix: 'v1=',
        signed: '{timestamp}.{body}',
        timestamp: { places: ['signature:t='], unit: 's', tolerance: FIVE_MINUTES },
      },
    ],
    ids: ['/id', 'body'],
    types: ['/type'],
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt:
      'Copy the "Signing secret" (whsec_…) from the page of the event destination, in Workbench.',
  },
  // https://shopify.dev/docs/apps/build/webhooks/subscribe/https
  shopify: {
    label: 'Shopify',
    schemes: [{ ...HMAC_BASE64, headers: ['x-shopify-hmac-sha256', 'shopify-hmac-sha256'] }],
    ids: ['header:x-shopify-webhook-id', 'header:shopify-webhook-id', 'body'],
    types: ['header:x-shopify-topic', 'header:shopify-topic'],
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt:
      "Copy the app's client secret from the Dev Dashboard, or that of Settings > Notifications > Webhooks.",
  },
  // https://developer.paddle.com/webhooks/signature-verification
  paddle: {
    label: 'Paddle',
    schemes: [
      {
        ...HMAC_HEX,
        headers: ['paddle-signature'],
        separator: ';',
        prefix: 'h1=',
        signed: '{timestamp}:{body}',
        timestamp: { places: ['signature:ts='], unit: 's', tolerance: FIVE_MINUTES },
      },
    ],
    ids: ['/event_id', 'body'],
    types: ['/event_type'],
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt:
      'Copy the "Secret key" (pdl_ntfset_…) of the destination, in Developer tools > Notifications.',
  },
  // https://developer.squareup.com/docs/webhooks/step3validate
  square: {
    label: 'Square',
    schemes: [
      { ...HMAC_BASE64, headers: ['x-square-hmacsha256-signature'], signed: '{url}{body}' },
    ],
    ids: ['/event_id', 'body'],
    types: ['/type'],
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt:
      'Copy the "Signature Key" of the subscription, in the Developer Console under Webhooks.',
  },
  // https://www.twilio.com/docs/usage/webhooks/webhooks-security
  twilio: {
    label: 'Twilio',
    schemes: [
      {
        ...HMAC_BASE64,
        algorithm: 'HMAC-SHA-1',
        headers: ['x-twilio-signature'],
        signed: '{url}{fields}',
      },
    ],
    ids: ['header:i-twilio-idempotency-token', 'body'],
    types: [],
    ack: 'twiml',
    // Only where the URL asks for it: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    retries: false,
    secretBy: 'sender',
    secretAt: 'Copy the "Auth Token" from the account\'s dashboard in the Console.',
  },
  // https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
  sendgrid: {
    label: 'SendGrid',
    schemes: [
      {
        ...HMAC_BASE64,
        algorithm: 'ECDSA-P-256',
        headers: ['x-twilio-email-event-webhook-signature'],
        secret: 'spki',
        signed: '{timestamp}{body}',
        // It tries for a day, and does not say that it signs again.
        timestamp: {
          places: ['header:x-twilio-email-event-webhook-timestamp'],
          unit: 's',
          tolerance: null,
        },
      },
    ],
    // A delivery holds many events, each with an id of its own.
    ids: ['body'],
    types: [],
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt:
      'Copy the "Verification Key" of the signed event webhook, in Settings > Mail Settings.',
  },
  // https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
  hubspot: {
    label: 'HubSpot',
    schemes: [
      {
        ...HMAC_BASE64,
        headers: ['x-hubspot-signature-v3'],
        signed: '{method}{url}{body}{timestamp}',
        timestamp: {
          places: ['header:x-hubspot-request-timestamp'],
          unit: 'ms',
          tolerance: FIVE_MINUTES,
        },
      },
    ],
    // A delivery holds many events, and their own ids are not always unique.
    ids: ['body'],
    types: ['/0/subscriptionType'],
    counter: 'attemptNumber',
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt: 'Copy the "Client secret" from the app\'s page "Auth".',
  },
  // https://developers.facebook.com/docs/graph-api/webhooks/getting-started
  meta: {
    label: 'Meta',
    schemes: [{ ...HMAC_HEX, headers: ['x-hub-signature-256'], prefix: 'sha256=' }],
    ids: ['body'],
    types: ['/object'],
    handshake: 'meta',
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt:
      'Copy the "App secret" from App settings > Basic, and enter a "Verify token" of your own beside the URL.',
  },
} as const satisfies Record<string, SourceType>
