import { Inbox } from '../client/inbox.ts'
import { memberSource } from './json-source'

/** This module says which inbox is spoken to, by which token, and where a token is kept. */

/** What takes longer than this has failed. */
const TIMEOUT_MS = 10_000

/** The URL where an inbox is served, without a slash at its end. @throws TypeError when it is none */
export function baseOf(endpoint: string): string {
  const url = new URL(endpoint || '/', document.baseURI)
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** Speaks to an inbox. It repeats nothing: the reader sees what failed, and the counts are asked for again anyway. */
export function connect(base: string, token: string): Inbox {
  return new Inbox({ url: base, token, repeats: 0, timeoutMs: TIMEOUT_MS, parse: withSources })
}

/** A body as it was sent: its numbers are not rounded, and none of two equal keys is lost. */
export interface Sources {
  payload: string
  metadata: string
}

const sources = new WeakMap<object, Sources>()

/** The texts of an event's payload and metadata, as they were sent. */
export function sourcesOf(event: object): Sources {
  return sources.get(event) ?? { payload: '', metadata: 'null' }
}

function withSources(text: string): unknown {
  const answer: unknown = JSON.parse(text)
  const data: unknown = Object(answer).data
  if (typeof data === 'object' && data !== null && 'payload' in data) {
    const own = memberSource(text, ['data'])
    sources.set(data, {
      payload: memberSource(own, ['payload']),
      metadata: memberSource(own, ['metadata']),
    })
  }
  return answer
}

/** Tokens that could not be stored: a sandboxed frame may not. */
const memory = new Map<string, string>()
const keyOf = (base: string) => `event-inbox-token ${base}`

/** The token that was typed for this inbox in this browser session; empty if there is none. */
export function keptToken(base: string): string {
  try {
    return sessionStorage.getItem(keyOf(base)) ?? memory.get(base) ?? ''
  } catch {
    return memory.get(base) ?? ''
  }
}

/** Keeps a token for one inbox until the browser session ends; an empty one is forgotten. */
export function keepToken(base: string, token: string): void {
  memory.delete(base)
  try {
    if (token) sessionStorage.setItem(keyOf(base), token)
    else sessionStorage.removeItem(keyOf(base))
  } catch {
    if (token) memory.set(base, token)
  }
}
