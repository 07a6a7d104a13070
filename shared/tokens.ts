export const SCOPES = ['write', 'read', 'manage', 'consume'] as const
export type Scope = (typeof SCOPES)[number]

export interface Token {
  name: string
  scopes: Scope[]
}

export interface KnownToken extends Token {
  padded: Uint8Array
}

/** No token may be longer. All are padded to this length, so that the time to compare them tells nothing about them. */
const TOKEN_BYTES = 512

/**
 * Finds the token that `presented` is, or null. It compares with every token, each in constant time.
 * @param presented visible ASCII characters
 */
export function findToken(tokens: readonly KnownToken[], presented: string): Token | null {
  const padded = pad(presented, scratch)
  if (!padded) return null
  let found: Token | null = null
  for (const token of tokens) {
    if (crypto.subtle.timingSafeEqual(padded, token.padded)) found = token
  }
  return found
}

/**
 * Reads the `API_TOKENS` secret: JSON `[{"name", "token", "scopes": [...]}]`.
 * @throws Error whose message says what is wrong, and quotes nothing
 */
export function parseTokens(secret: string | undefined): KnownToken[] {
  if (!secret) throw new Error('is not set; nobody gets in')
  let list: unknown
  try {
    list = JSON.parse(secret)
  } catch {
    // The parser's message would quote the secret.
    throw new Error('is not valid JSON')
  }
  if (!Array.isArray(list)) throw new Error('is not a JSON array')
  if (list.length === 0) throw new Error('has no token; nobody gets in')
  return list.map(parseToken)
}

function parseToken(entry: unknown, index: number): KnownToken {
  const { name, token, scopes } = (entry ?? {}) as {
    name?: unknown
    token?: unknown
    scopes?: unknown
  }
  const padded =
    typeof token === 'string' &&
    /^[\x21-\x7e]+$/.test(token) &&
    pad(token, new Uint8Array(TOKEN_BYTES))
  if (typeof name !== 'string' || !padded || !Array.isArray(scopes) || !scopes.every(isScope)) {
    throw new Error(
      `entry ${index} is not {"name", "token", "scopes": […]}, ` +
        `the scopes of ${SCOPES.join(', ')}, the token up to ${TOKEN_BYTES} visible ASCII characters`,
    )
  }
  return { name, scopes: scopes.includes('manage') ? [...scopes, 'consume'] : scopes, padded }
}

function isScope(value: unknown): value is Scope {
  return SCOPES.some((scope) => scope === value)
}

const encoder = new TextEncoder()
/** Holds the token of the request at hand. It can be shared, as nothing is awaited while it is in use. */
const scratch = new Uint8Array(TOKEN_BYTES)

/** Writes the token into `bytes`, and zeros after it, which no token has. @returns null for a token that is too long */
function pad(token: string, bytes: Uint8Array): Uint8Array | null {
  bytes.fill(0)
  return encoder.encodeInto(token, bytes).read === token.length ? bytes : null
}
