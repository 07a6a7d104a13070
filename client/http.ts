import { InboxError, reasonOf } from './error.ts'
import { pauseMs, sleep } from './pause.ts'
import type { Problem } from './types.ts'

/** This module makes requests, and repeats those that failed in passing. */

/** An attempt without an answer is given up after this time. */
export const TIMEOUT_MS = 30_000
/** A timer of more than that ends at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
/** With pauses that double from a quarter of a second, a request is tried for ten seconds or so. */
export const REPEATS = 6

export interface InboxOptions {
  /** Where the inbox is served: http or https, without a user, a query or a fragment. */
  url: string | URL
  /** Visible ASCII characters. */
  token: string
  /** Makes the requests in place of the global `fetch`: a service binding, for instance. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** Reads answers in place of `JSON.parse`, for those who need numbers beyond 2 ** 53. */
  parse?: ((text: string) => unknown) | undefined
  /** How often what failed in passing is repeated. @default 6, which takes ten seconds or so */
  repeats?: number | undefined
  /** How long an answer is waited for. @default 30,000 */
  timeoutMs?: number | undefined
}

export interface Ask {
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** How often it may be repeated; not at all where a repeat does more than the first one. */
  repeats?: number
  timeoutMs?: number
  /** Is told of each failure after which it is tried again. */
  onRepeat?: (error: InboxError) => void
}

export type AskInbox = <Answer>(method: string, path: string, ask?: Ask) => Promise<Answer>

/**
 * Makes the one function by which all else speaks to the inbox. It throws nothing but `InboxError`s and aborts.
 * @throws TypeError for what no request can be made of: a repeat would not mend it
 */
export function askerOf(options: InboxOptions): AskInbox {
  const { token, fetch, parse = JSON.parse, repeats = REPEATS } = options
  const base = baseOf(String(options.url))
  // What is thrown here may be logged, so it does not show the token.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new TypeError('token must be of visible ASCII characters, without spaces')
  const send = fetch ?? ((...args) => globalThis.fetch(...args))

  async function once<Answer>(method: string, path: string, ask: Ask): Promise<Answer> {
    const { body, headers, signal, timeoutMs = options.timeoutMs ?? TIMEOUT_MS } = ask
    const controller = new AbortController()
    const abort = () => controller.abort(signal?.reason)
    signal?.addEventListener('abort', abort)
    const timer = setTimeout(() => controller.abort(), Math.min(timeoutMs, MAX_TIMEOUT_MS))
    try {
      const response = await send(base + path, {
        method,
        signal: controller.signal,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw refusal(response, text)
      return answerOf(text, parse, response.status) as Answer
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof InboxError) throw error
      const detail = controller.signal.aborted
        ? `There was none within ${timeoutMs} ms.`
        : reasonOf((error instanceof Error && error.cause) || error)
      throw new InboxError(0, { code: 'NO_ANSWER', detail }, { cause: error })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  return async (method, path, ask = {}) => {
    for (let failures = 0; ; failures++) {
      ask.signal?.throwIfAborted()
      try {
        return await once(method, path, ask)
      } catch (error) {
        if (!(error instanceof InboxError) || !error.isPassing) throw error
        if (failures >= (ask.repeats ?? repeats)) throw error
        ask.onRepeat?.(error)
        await sleep(pauseMs(failures, error.retryAfterSeconds), ask.signal)
      }
    }
  }
}

function refusal({ status, headers }: Response, text: string): InboxError {
  let problem: Partial<Problem> = {}
  try {
    if (headers.get('Content-Type')?.includes('json')) problem = Object(JSON.parse(text))
  } catch {
    // A proxy may answer in any words, and an answer may be cut off.
  }
  const retryAfterSeconds = Math.max(0, Number(headers.get('Retry-After')) || 0)
  return new InboxError(status, problem, { retryAfterSeconds })
}

function baseOf(url: string): string {
  if (URL.canParse(url)) {
    const { href, origin, pathname } = new URL(url)
    const isPlain = href === origin + pathname && href.startsWith('http')
    if (isPlain) return href.replace(/\/*$/, '')
  }
  // It does not show the password that may be in it.
  throw new TypeError('url must be http(s)://host/path, without user, query or fragment')
}

/** Reads a success: all answers of an inbox have `data`. What is none is no failure that passes. */
function answerOf(text: string, parse: (text: string) => unknown, status: number): unknown {
  let answer: { data?: unknown } | null | undefined
  try {
    answer = parse(text) as typeof answer
  } catch {
    // A page of words, most likely: of a proxy, or of a site that is served there.
  }
  if (answer?.data && typeof answer.data === 'object') return answer
  throw new InboxError(status, { detail: 'What answers is no inbox.' })
}
