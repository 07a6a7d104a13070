import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import { elementSources } from '../http/json-text'
import { type Draft, parseEvent } from './event'

/** Cuts a body into the events of a batch, each of which stands or falls by itself. */

/** A draft, or why the entry of a batch is none. */
export type Entry = { draft: Draft } | { error: HttpError }

/** What a request brings. */
export interface Ingest {
  /** Whether the answer is one result an entry. */
  batch: boolean
  entries: Entry[]
  /** What a repeat of this request has in common with it; the body must be the same then. */
  key: string[] | null
  /** The body as text, to tell a repeat from another event under the same key. */
  text: string
}

/** The elements of a JSON array. @throws HttpError 400, 413 for what is wrong with all of it */
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
  // Where one element is no JSON, nobody can say where it ends.
  if (entries.some((entry) => 'error' in entry && entry.error.code === 'INVALID_JSON'))
    throw malformed
  return entries
}

/** The lines of NDJSON: each line stands for itself, a malformed one rejects no other. @throws HttpError 413 */
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

/** Whether the text can only be a JSON array. */
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

/** Whether the text is longer in UTF-8; a UTF-16 unit takes at most three bytes of it. */
export function exceeds(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && encoder.encode(text).byteLength > maxBytes
}
