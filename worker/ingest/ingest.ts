import { needed } from '../../shared/config'
import { isObject } from '../../shared/json'
import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import type { Secret } from '../../shared/source-secrets'
import { type Body, readBytes, readText, tooLarge } from '../http/body'
import { parseJson } from '../http/json'
import { isJson, mediaTypeOf } from '../http/media-type'
import { arrayEntries, type Entry, exceeds, type Ingest, isArray, lineEntries } from './batch'
import { isBinaryCloudEvent, parseBinaryCloudEvent, parseCloudEvent } from './cloud-event'
import { type Draft, parseEvent } from './event'
import { idempotencyKey } from './identity'
import { isWebhook, readWebhook } from './webhook'

/** This module reads every way an event may come in into drafts. */

/** The media types that `Accept-Post` names. */
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
  webhooks: readonly Secret[] | null,
): Promise<Ingest> {
  const { headers } = request
  const key = idempotencyKey(headers)
  if (isWebhook(headers)) return readWebhook(request, needed(webhooks))
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

/** Says whether the first of several lines is a JSON object. A text that is no event is then taken for NDJSON. */
function startsWithLine(text: string): boolean {
  const lines = text.trim()
  try {
    return lines.includes('\n') && isObject(parseJson(lines.slice(0, lines.indexOf('\n'))))
  } catch {
    return false
  }
}

function single(draft: Draft, key: string | null, text: string): Ingest {
  const stored = draft.payload + (draft.metadata ?? '')
  if (exceeds(stored, LIMITS.STORED_BYTES)) {
    const detail =
      `The event takes more than ${LIMITS.STORED_BYTES} bytes as JSON. ` +
      'Send binary data as such, or keep it elsewhere.'
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
