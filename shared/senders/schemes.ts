import type { SignatureScheme } from '../source-types'

/** What rows of the table have in common. */

/** Most sign the body with a secret text, and send 64 hexadecimal digits. */
export const HMAC_HEX = {
  kind: 'signature',
  algorithm: 'HMAC-SHA-256',
  separator: null,
  prefix: '',
  encoding: 'hex',
  secret: 'text',
  signed: '{body}',
} as const satisfies Partial<SignatureScheme>
/** The same in base64. */
export const HMAC_BASE64 = { ...HMAC_HEX, encoding: 'base64' } as const
/** Most say that what is older than five minutes is no delivery of theirs. */
export const FIVE_MINUTES = 300

/** Standard Webhooks, with the header names of the specification and those of Svix. */
export const STANDARD = {
  ...HMAC_BASE64,
  headers: ['webhook-signature', 'svix-signature'],
  separator: ' ',
  prefix: 'v1,',
  secret: 'whsec',
  signed: '{id}.{timestamp}.{body}',
  id: ['header:webhook-id', 'header:svix-id'],
  timestamp: {
    places: ['header:webhook-timestamp', 'header:svix-timestamp'],
    unit: 's',
    tolerance: FIVE_MINUTES,
  },
} as const satisfies SignatureScheme
