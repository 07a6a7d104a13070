/**
 * Makes a token, and shows how to install it and how to rotate one. It stores nothing.
 * @example npm run token -- NAME [scope …]
 */
import { randomBytes } from 'node:crypto'

const SCOPES = ['write', 'read', 'manage', 'consume']
const [name = 'producer', ...wanted] = process.argv.slice(2)
const scopes = wanted.length > 0 ? wanted : SCOPES
const unknown = scopes.filter((scope) => !SCOPES.includes(scope))
if (unknown.length > 0) {
  console.error(`Unknown scope ${unknown.join(', ')}. Scopes are ${SCOPES.join(', ')}.`)
  process.exit(1)
}
const token = randomBytes(32).toString('base64url')
console.log(`A new token, shown only now:

  ${token}

Its entry for the API_TOKENS secret, a JSON array of all valid tokens:

  ${JSON.stringify({ name, token, scopes })}

Install: npx wrangler secret put API_TOKENS, and paste the array, such as [<entry>].
Rotate:  put the array with the old and the new entry, move the clients over, then put it again without the old one.
         Keep the name: rate limits are counted by it.`)
