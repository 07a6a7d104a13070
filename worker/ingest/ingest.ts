import type { Webhook } from 'standardwebhooks'
import { needed } from '../../shared/config'
import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import {
  type Body,
  isJson,
  mediaTypeOf,
  readBytes,
  readSignedText,
  readText,
  tooLarge,
  withoutMark,
} from '../http/body'
import { isBinaryCloudEvent, parseBinaryCloudEvent, parseCloudEvent } from './cloud-event'
import { type Draft, isObject, parseEvent, parseJson, payloadOf } from './event'
import { elementSources } from './json-text'

/** Every way an event may come in, read into drafts. */

/** A draft, or why the entry of a batch is none. */
export type Entry = { draft: Draft } | { error: HttpError }

export interface Ingest {
  /** Whether the answer is one result an entry. */
  batch: boolean
  entries: Entry[]
  /** What a repeat of this request has in common with it; the body must be the same then. */
  key: string[] | null
  /** The body as text, to tell a repeat from another event under the same key. */
  text: string
}

/** In the order of detection; for `Accept-Post`. */
const MEDIA_TYPES = [
  'application/json',
  'application/x-ndjson',
  'application/cloudevents-batch+json',
  'application/cloudevents+json',
].join(', ')
const NDJSON_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl']

/**
 * Reads a `POST /events`.
 * @param webhooks verify Standard Webhooks; null when their secret is malformed
 * @throws HttpError 400, 401 (webhook signature), 413, 415, 503 for what is wrong with all of it
 */
export async function readEvents(
  request: Body,
  webhooks: readonly Webhook[] | null,
): Promise<Ingest> {
  const { headers } = request
  const key = idempotencyKey(headers)
  if (headers.has('webhook-id')) return readWebhook(request, needed(webhooks))
  const mediaType = mediaTypeOf(request)
  switch (mediaType) {
    case 'application/cloudevents-batch+json': {
      const text = await readText(request, LIMITS.BATCH_BYTES)
      if (/^\s*\{/.test(text)) throw sendAs('One CloudEvent', 'application/cloudevents+json')
      return batch(arrayEntries(text, parseCloudEvent), key)
    }
    case 'application/cloudevents+json': {
      const text = await readText(request, LIMITS.EVENT_BYTES)
      if (isArray(text))
        throw sendAs('An array of CloudEvents', 'application/cloudevents-batch+json')
      return single(parseCloudEvent(text), key, text)
    }
  }
  if (isBinaryCloudEvent(headers))
    return single(
      parseBinaryCloudEvent(headers, await readBytes(request, LIMITS.EVENT_BYTES)),
      key,
      '',
    )
  if (isJson(mediaType)) {
    const text = await readText(request, LIMITS.BATCH_BYTES)
    if (isArray(text)) return batch(arrayEntries(text, parseEvent), key)
    return single(parseOne(text), key, text)
  }
  if (NDJSON_TYPES.includes(mediaType)) {
    const text = await readText(request, LIMITS.BATCH_BYTES)
    if (/^\s*\[[^]*\]\s*$|^\s*\{[ \t\r]*\n/.test(text))
      throw sendAs('JSON that is no event a line', 'application/json')
    return batch(lineEntries(text), key)
  }
  throw new HttpError(415, 'UNSUPPORTED_MEDIA_TYPE', adviceFor(mediaType), {
    headers: { 'Accept-Post': MEDIA_TYPES },
  })
}

function adviceFor(mediaType: string): string {
  const advice = 'Add "Content-Type: application/json" for JSON'
  if (mediaType === '')
    return `The request has no Content-Type. ${advice}; others are ${MEDIA_TYPES}.`
  if (mediaType === 'application/x-www-form-urlencoded')
    return `This is the Content-Type of a form, which is what "curl -d" sends unless told otherwise. ${advice}.`
  return `Send events as one of ${MEDIA_TYPES}.`
}

function sendAs(what: string, mediaType: string): HttpError {
  const detail = `${what} is sent with "Content-Type: ${mediaType}".`
  return new HttpError(415, 'UNSUPPORTED_MEDIA_TYPE', detail, {
    headers: { 'Accept-Post': MEDIA_TYPES },
  })
}

function parseOne(text: string): Draft {
  try {
    if (exceeds(text, LIMITS.EVENT_BYTES)) throw tooLarge(LIMITS.EVENT_BYTES)
    return parseEvent(text)
  } catch (error) {
    if (startsWithLine(text)) throw sendAs('JSON with an event a line', 'application/x-ndjson')
    throw error
  }
}

/** Whether more follows after a first line that is an object: of a text that is no event, that makes it NDJSON. */
function startsWithLine(text: string): boolean {
  const lines = text.trim()
  try {
    return lines.includes('\n') && isObject(parseJson(lines.slice(0, lines.indexOf('\n'))))
  } catch {
    return false
  }
}

function isArray(text: string): boolean {
  return /^[ \t\r\n]*\[/.test(text)
}

function single(draft: Draft, key: string | null, text: string): Ingest {
  const stored = draft.payload + (draft.metadata ?? '')
  if (exceeds(stored, LIMITS.STORED_BYTES)) {
    const detail = `The event takes more than ${LIMITS.STORED_BYTES} bytes as JSON. Send binary data as such, or keep it elsewhere.`
    throw new HttpError(413, 'CONTENT_TOO_LARGE', detail)
  }
  if (key !== null && (draft.event_id ?? draft.identity) !== null) {
    throw new HttpError(
      400,
      'INVALID_IDEMPOTENCY_KEY',
      'The event says itself which one it is; send either that or an Idempotency-Key.',
    )
  }
  return {
    batch: false,
    entries: [{ draft }],
    key: key === null ? null : ['idempotency-key', key],
    text,
  }
}

function batch(entries: Entry[], key: string | null): Ingest {
  if (key !== null)
    throw new HttpError(
      400,
      'INVALID_IDEMPOTENCY_KEY',
      'An Idempotency-Key is for one event; give each event of a batch its event_id instead.',
    )
  if (entries.length === 0)
    throw new HttpError(400, 'EMPTY_BATCH', 'The batch has no events. Send at least one.')
  return { batch: true, entries, key: null, text: '' }
}

function arrayEntries(text: string, parse: (source: string) => Draft): Entry[] {
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

/** In NDJSON each line stands for itself: a malformed one rejects no other. */
function lineEntries(text: string): Entry[] {
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

const encoder = new TextEncoder()

/** Whether the text is longer in UTF-8; a UTF-16 unit takes at most three bytes of it. */
function exceeds(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && encoder.encode(text).byteLength > maxBytes
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

/** Standard Webhooks: the body is the payload, `webhook-id` the key; the signature is verified when there is a secret for it. */
async function readWebhook(request: Body, webhooks: readonly Webhook[]): Promise<Ingest> {
  const { headers } = request
  const id = headers.get('webhook-id') ?? ''
  if (id === '' || id.length > LIMITS.IDEMPOTENCY_KEY_LENGTH) {
    throw new HttpError(
      400,
      'INVALID_WEBHOOK',
      `webhook-id must have 1 to ${LIMITS.IDEMPOTENCY_KEY_LENGTH} characters.`,
    )
  }
  const signed = await readSignedText(request, LIMITS.EVENT_BYTES)
  if (webhooks.length > 0) verifySignature(webhooks, signed, headers)
  const text = withoutMark(signed)
  const payload = payloadOf(parseJson(text), text.trim())
  const metadata = JSON.stringify({
    webhook_id: id,
    webhook_timestamp: headers.get('webhook-timestamp'),
  })
  const draft = { event_id: null, identity: null, payload, metadata }
  return { batch: false, entries: [{ draft }], key: ['webhook', id], text }
}

function verifySignature(webhooks: readonly Webhook[], text: string, headers: Headers): void {
  const signed = { 'webhook-id': '', 'webhook-timestamp': '', 'webhook-signature': '' }
  for (const name of Object.keys(signed) as (keyof typeof signed)[])
    signed[name] = headers.get(name) ?? ''
  for (const webhook of webhooks) {
    try {
      webhook.verify(text, signed, { jsonParse: false })
      return
    } catch {
      // Perhaps the next one.
    }
  }
  throw new HttpError(
    401,
    'INVALID_SIGNATURE',
    'The webhook signature does not match, or its timestamp is over 5 minutes away.',
    { headers: { 'WWW-Authenticate': 'Bearer' } },
  )
}

/** The Idempotency-Key, bare or as a quoted string (RFC 8941 §3.3.3). */
export function idempotencyKey(headers: Headers): string | null {
  const given = headers.get('Idempotency-Key')?.trim()
  if (given === undefined) return null
  const key = /^"(?:[^"\\]|\\["\\])*"$/.test(given)
    ? given.slice(1, -1).replaceAll(/\\(["\\])/g, '$1')
    : given
  if (/^[\x20-\x7e]+$/.test(key) && key.length <= LIMITS.IDEMPOTENCY_KEY_LENGTH) return key
  throw new HttpError(
    400,
    'INVALID_IDEMPOTENCY_KEY',
    `Idempotency-Key must have 1 to ${LIMITS.IDEMPOTENCY_KEY_LENGTH} visible ASCII characters.`,
  )
}

/** The same for the same parts, and for no others: SHA-256 as base64url. */
export async function digestOf(...parts: string[]): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(JSON.stringify(parts)))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace('=', '')
}
