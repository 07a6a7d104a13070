/**
 * Prints what to add to the configuration for a source, and what to enter at the sender. It stores nothing.
 * @example npm run source -- NAME TYPE [URL of the inbox]
 */
import { randomBytes } from 'node:crypto'
import type { Scheme, SourceType } from '../shared/source-types'
import { rowOf, SOURCE_NAME, SOURCE_TYPES, secretVariable } from '../shared/sources'
import { didYouMean } from '../shared/suggestion'

const [name = '', wanted = '', inbox = 'https://event-inbox.example.workers.dev'] =
  process.argv.slice(2)
const type = SOURCE_TYPES.find((each) => each === wanted)
if (!SOURCE_NAME.test(name))
  fail('npm run source -- NAME TYPE: a name has 1 to 64 characters of a-z 0-9 -')
if (!type) {
  const advice = didYouMean(wanted, SOURCE_TYPES) ?? ''
  fail(`There is no type "${wanted}"; ${advice || `types are ${SOURCE_TYPES.join(', ')}.`}`)
}

/** What a type needs to say of itself, to be altered as the sender does it. */
const EXAMPLES: Partial<Record<typeof type, Record<string, string>>> = {
  hmac: { header: 'X-Signature', prefix: 'sha256=', id: 'header:X-Delivery', event_type: '/type' },
  token: { header: 'X-Token', id: '/id', event_type: '/type' },
  basic: { id: '/id', event_type: '/type' },
  'url-token': { id: '/id', event_type: '/type' },
  unverified: { id: '/id', event_type: '/type' },
}
const entry = { name, type, ...EXAMPLES[type] }
const row: SourceType = rowOf(type, entry)
const [scheme] = row.schemes
const made = scheme && row.secretBy === 'receiver' ? newSecret(scheme) : null
const url = new URL(`/in/${name}`, inbox).href
const secret = made ?? "<the sender's secret>"
const value =
  row.handshake === 'meta'
    ? { secrets: [secret], verify_token: randomBytes(24).toString('base64url') }
    : [secret]

console.log(`Add this to SOURCES in wrangler.jsonc, and deploy:

  ${JSON.stringify(entry)}
`)
if (scheme?.kind !== 'unverified')
  console.log(`Its secret, ${made ? 'made just now and shown only here' : 'which the sender shows'}:

  ${row.secretAt}

  npx wrangler secret put ${secretVariable(name)}, and paste: ${JSON.stringify(value)}

Or as a member of the secret SOURCE_SECRETS, which has those of all sources:

  ${JSON.stringify({ [name]: value })}
`)
if (EXAMPLES[type])
  console.log('The members after "type" are an example: docs/sources.md says what they mean.\n')
console.log(`Enter this URL at the sender:

  ${scheme?.kind === 'url-token' ? `${url}/${secret}` : url}`)

/** Makes a secret as the scheme wants it, of 256 random bits. */
function newSecret(of: Scheme): string | null {
  if (of.kind === 'unverified') return null
  const bytes = randomBytes(32)
  switch (of.secret) {
    case 'whsec':
    case 'whsec_':
      return `whsec_${bytes.toString('base64')}`
    case 'base64':
      return bytes.toString('base64')
    case 'hex':
      return bytes.toString('hex')
    case 'user:password':
      return `event-inbox:${bytes.toString('base64url')}`
    default:
      return bytes.toString('base64url')
  }
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
