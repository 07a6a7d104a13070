import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import { elementSources } from '../http/json-text'
import { type Draft, parseEvent } from './event'

/** This module cuts a body into the events of a batch. Each one is accepted or not by itself. */

/** A draft, or the error of an entry that is no event. */
export type Entry = { draft: Draft } | { error: HttpError }

/** What a request brings: one event or a batch. */
export interface Ingest {
  /** Whether the answer has one result an entry. */
  batch: boolean
  entries: Entry[]
  /** What a repeat of this request shares with it, such as its idempotency key. The body must then be the same. */
  key: string[] | null
  /** The body as text, to tell a repeat from another event under the same key. */
  text: string
}

/** Cuts up a JSON array. @throws HttpError 400, 413 for what is wrong with all of it */
export function arrayEntries(text: string, parse: (source: string) => Draft): Entry[] {
  const malformed = new HttpError(
    400,
    'INVALID_JSON',
    'The body is not valid JSON: an array of events was expected.',
  )
  const sources = elementSources(text, LIMITS.BATCH_EVENTS)
  if (!sources) throw malformed
  if (sources.length > LIMITS.BATCH_EVENTS) throw tooMany()
  const entries = sources.map((source) => entryOf(source, parse))
  // When an element is not valid JSON, it is not known where it ends.
  if (entries.some((entry) => 'error' in entry && entry.error.code === 'INVALID_JSON'))
    throw malformed
  return entries
}

/** Cuts up NDJSON. A malformed line is an error of its own and spoils no other. @throws HttpError 413 */
export function lineEntries(text: string): Entry[] {
  const lines: string[] = []
  for (let from = 0, end = 0; from < text.length; from = end + 1) {
    end = text.indexOf('\n', from)
    if (end === -1) end = text.length
    const line = text.slice(from, end)
    if (line.trim() === '') continue
    if (lines.length === LIMITS.BATCH_EVENTS) throw tooMany()
    lines.push(line)
  }
  return lines.map((line) => entryOf(line, parseEvent))
}

function tooMany(): HttpError {
  return new HttpError(
    413,
    'CONTENT_TOO_LARGE',
    `A batch may have at most ${LIMITS.BATCH_EVENTS} events. Nothing was stored; send several batches.`,
  )
}

/** Says whether the text can only be a JSON array. */
export function isArray(text: string): boolean {
  return /^[ \t\r\n]*\[/.test(text)
}

function entryOf(source: string, parse: (source: string) => Draft): Entry {
  try {
    if (exceeds(source, LIMITS.EVENT_BYTES)) {
      throw new HttpError(
        413,
        'CONTENT_TOO_LARGE',
        `The event is larger than ${LIMITS.EVENT_BYTES} bytes.`,
      )
    }
    return { draft: parse(source) }
  } catch (error) {
    if (error instanceof HttpError) return { error }
    throw error
  }
}

const encoder = new TextEncoder()

/** Says whether the text is longer than `maxBytes` in UTF-8. A UTF-16 unit takes at most three bytes. */
export function exceeds(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && encoder.encode(text).byteLength > maxBytes
}
