/** This module lets the scripts speak to a running inbox. It ends them with a message when they cannot. */

export const INBOX_OPTIONS = {
  url: { type: 'string', default: 'http://localhost:8787' },
  token: { type: 'string', default: 'dev-token' },
} as const

const TIMEOUT_MS = 10_000

/** Ends the script with a message and exit status 1. */
export function fail(message: string): never {
  console.error(`\n${message}`)
  process.exit(1)
}

/** Asks the inbox. It ends the script, and says why, unless the answer is a success or an `expected` status. */
export async function askInbox(
  { url, token }: { url: string; token: string },
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  expected: number[] = [],
): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(new URL(path, url), {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const { status } = response
    const text = await response.text()
    if (response.ok || expected.includes(status)) return { status, text }
    if (status === 401 || status === 403)
      fail(`The inbox at ${url} does not take the token: ${text}\nName another one by "--token".`)
    fail(`${method} ${path} at ${url} was answered by ${status}: ${text}`)
  } catch (error) {
    fail(`The inbox at ${url} does not answer (${String(error)}). Start it with "npm start".`)
  }
}
