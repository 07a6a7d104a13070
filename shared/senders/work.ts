import type { SourceType } from '../source-types'
import { FIVE_MINUTES, HMAC_HEX, STANDARD } from './schemes'

/**
 * Senders of what teams do: code, issues, messages and meetings.
 * The link above each row says where its facts come from.
 */

export const WORK = {
  // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
  github: {
    label: 'GitHub',
    schemes: [{ ...HMAC_HEX, headers: ['x-hub-signature-256'], prefix: 'sha256=' }],
    ids: ['header:x-github-delivery', 'body'],
    types: ['header:x-github-event'],
    ack: 'json',
    retries: false,
    secretBy: 'receiver',
    secretAt:
      'Enter it as "Secret" of the webhook, in the settings of the repository or organization.',
  },
  // https://docs.gitlab.com/user/project/integrations/webhooks/
  gitlab: {
    label: 'GitLab',
    // A signing token proves the body as well, so that whoever has set one is not content with less.
    schemes: [
      { ...STANDARD, headers: ['webhook-signature'], secret: 'whsec_' },
      { kind: 'token', header: 'x-gitlab-token', prefix: '', secret: 'text' },
    ],
    // The event's UUID is that of all the webhooks that one event sets off.
    ids: ['header:idempotency-key', 'header:webhook-id', 'body'],
    types: ['header:x-gitlab-event'],
    ack: 'json',
    retries: null,
    secretBy: 'receiver',
    secretAt: 'Enter it as "Signing token" (whsec_…) of the webhook, or as its "Secret token".',
  },
  // https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
  bitbucket: {
    label: 'Bitbucket',
    schemes: [{ ...HMAC_HEX, headers: ['x-hub-signature'], prefix: 'sha256=' }],
    // The second is what Data Center sends.
    ids: ['header:x-request-uuid', 'header:x-request-id', 'body'],
    types: ['header:x-event-key'],
    ack: 'json',
    retries: true,
    secretBy: 'receiver',
    secretAt:
      'Enter it as "Secret" of the webhook, in the settings of the repository or workspace.',
  },
  // https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks
  jira: {
    label: 'Jira',
    schemes: [{ ...HMAC_HEX, headers: ['x-hub-signature'], prefix: 'sha256=' }],
    ids: ['header:x-atlassian-webhook-identifier', 'body'],
    types: ['/webhookEvent'],
    ack: 'json',
    retries: true,
    secretBy: 'receiver',
    secretAt: 'Enter it as "Secret" of the webhook, in System > WebHooks.',
  },
  // https://linear.app/developers/webhooks#securing-webhooks
  linear: {
    label: 'Linear',
    schemes: [
      {
        ...HMAC_HEX,
        headers: ['linear-signature'],
        // The header with the same time is not signed.
        timestamp: { places: ['/webhookTimestamp'], unit: 'ms', tolerance: 60 },
      },
    ],
    ids: ['header:linear-delivery', 'body'],
    types: ['header:linear-event', '/type'],
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt: 'Copy the "Signing secret" from the webhook\'s page, in Settings > API.',
  },
  // https://docs.slack.dev/authentication/verifying-requests-from-slack
  slack: {
    label: 'Slack',
    schemes: [
      {
        ...HMAC_HEX,
        headers: ['x-slack-signature'],
        prefix: 'v0=',
        signed: 'v0:{timestamp}:{body}',
        timestamp: {
          places: ['header:x-slack-request-timestamp'],
          unit: 's',
          tolerance: FIVE_MINUTES,
        },
      },
    ],
    ids: ['/event_id', '/trigger_id', 'body'],
    types: ['/event/type', '/type', '/command'],
    handshake: 'slack',
    ack: 'empty',
    retries: true,
    secretBy: 'sender',
    secretAt: 'Copy the "Signing Secret" from the app\'s page "Basic Information".',
  },
  // https://docs.discord.com/developers/events/webhook-events
  discord: {
    label: 'Discord',
    schemes: [
      {
        ...HMAC_HEX,
        algorithm: 'Ed25519',
        headers: ['x-signature-ed25519'],
        secret: 'ed25519-hex',
        signed: '{timestamp}{body}',
        timestamp: { places: ['header:x-signature-timestamp'], unit: 's', tolerance: null },
      },
    ],
    ids: ['body'],
    types: ['/event/type'],
    handshake: 'discord',
    ack: 'no-content',
    retries: true,
    secretBy: 'sender',
    secretAt: 'Copy the "Public Key" from the application\'s page "General Information".',
  },
  // https://developers.zoom.us/docs/api/webhooks/
  zoom: {
    label: 'Zoom',
    schemes: [
      {
        ...HMAC_HEX,
        headers: ['x-zm-signature'],
        prefix: 'v0=',
        signed: 'v0:{timestamp}:{body}',
        // It tries again after up to 90 minutes, and does not say that it signs again.
        timestamp: { places: ['header:x-zm-request-timestamp'], unit: 's', tolerance: null },
      },
    ],
    ids: ['body'],
    types: ['/event'],
    handshake: 'zoom',
    ack: 'json',
    retries: true,
    secretBy: 'sender',
    secretAt: 'Copy the "Secret Token" from the app\'s page "Access", in the App Marketplace.',
  },
} as const satisfies Record<string, SourceType>
