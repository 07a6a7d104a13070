import { InboxError } from './error.ts'
import { pauseMs, sleep } from './pause.ts'
import type { Problem } from './types.ts'

/** This module makes requests, and repeats those that failed in passing. */

/** An attempt without an answer is given up after this time. */
const TIMEOUT_MS = 30_000
/** With pauses that double from a quarter of a second, a request is tried for ten seconds or so. */
export const REPEATS = 6

export interface InboxOptions {
  /** Where the inbox is served. */
  url: string | URL
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

/** Makes the one function by which all else speaks to the inbox. It throws nothing but `InboxError`s and aborts. */
export function askerOf(options: InboxOptions): AskInbox {
  const { url, token, fetch, parse = JSON.parse, repeats = REPEATS } = options
  const base = String(url).replace(/\/*$/, '')
  const send = fetch ?? ((...args) => globalThis.fetch(...args))

  async function once<Answer>(method: string, path: string, ask: Ask): Promise<Answer> {
    const { body, headers, signal, timeoutMs = options.timeoutMs ?? TIMEOUT_MS } = ask
    const controller = new AbortController()
    const abort = () => controller.abort(signal?.reason)
    signal?.addEventListener('abort', abort)
    const timer = setTimeout(() => controller.abort(), timeoutMs)
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
      if (response.ok) return parse(text) as Answer
      throw refusal(response, text)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof InboxError) throw error
      const detail = controller.signal.aborted
        ? `There was none within ${timeoutMs} ms.`
        : String((error as Error).cause ?? error)
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
    if (headers.get('Content-Type')?.includes('json')) problem = JSON.parse(text)
  } catch {
    // A proxy may answer in any words, and an answer may be cut off.
  }
  const retryAfterSeconds = Number(headers.get('Retry-After')) || 0
  return new InboxError(status, problem, { retryAfterSeconds })
}
