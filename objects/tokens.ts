export type Scope = 'write' | 'read' | 'manage'
const SCOPES: readonly unknown[] = ['write', 'read', 'manage'] satisfies Scope[]

export interface Token {
  name: string
  scopes: Scope[]
}

interface KnownToken extends Token {
  digest: ArrayBuffer
}

// Parsed once for as long as the secret stays the same.
let cached: { secret: string; tokens: Promise<KnownToken[]> } | undefined

/**
 * The configured token that `presented` is, or null. Compared in constant time over SHA-256, with every configured one.
 * @param secret the `API_TOKENS` secret: JSON `[{"name", "token", "scopes": [...]}]`; absent means that nobody gets in
 * @throws Error when the secret is malformed
 */
export async function findToken(
  secret: string | undefined,
  presented: string,
): Promise<Token | null> {
  if (!secret) return null
  if (cached?.secret !== secret) cached = { secret, tokens: parseTokens(secret) }
  const digest = await sha256(presented)
  let found: Token | null = null
  for (const token of await cached.tokens) {
    if (crypto.subtle.timingSafeEqual(digest, token.digest)) found = token
  }
  return found
}

async function parseTokens(secret: string): Promise<KnownToken[]> {
  let list: unknown
  try {
    list = JSON.parse(secret)
  } catch {
    // The parser's message would quote the secret.
    throw new Error('API_TOKENS is not valid JSON')
  }
  if (!Array.isArray(list)) throw new Error('API_TOKENS is not a JSON array')
  return Promise.all(list.map(parseToken))
}

async function parseToken(entry: unknown, index: number): Promise<KnownToken> {
  const { name, token, scopes } = (entry ?? {}) as {
    name?: unknown
    token?: unknown
    scopes?: unknown
  }
  if (
    typeof name !== 'string' ||
    typeof token !== 'string' ||
    token === '' ||
    !Array.isArray(scopes) ||
    !scopes.every(isScope)
  ) {
    throw new Error(
      `API_TOKENS entry ${index} is not {"name", "token", "scopes": ["write", "read", "manage"]}`,
    )
  }
  return { name, scopes, digest: await sha256(token) }
}

function isScope(value: unknown): value is Scope {
  return SCOPES.includes(value)
}

function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
}
