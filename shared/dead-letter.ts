import { type EventBody, type EventState, isEventId, isoTime } from './event'
import { jsonOf, JsonText } from './json'
import { LIMITS } from './limits'
import { log } from './log'

/** The queue takes 128 KB a message, and its own overhead counts towards that. */
export const MAX_MESSAGE_BYTES = 100_000
/** The queue takes 256 KB and 100 messages at once. */
const MAX_BATCH_BYTES = 240_000
const MAX_BATCH_MESSAGES = 100

/** Why an event failed, as its shard keeps it; `failed_at` is milliseconds since 1970. */
export interface DeadLetter {
  event_id: string
  reason: string
  failed_at: number
}

/** A dead letter as the queue carries it. The message also has payload and metadata, or `payload_omitted`. */
export interface DeadLetterMessage {
  event_id: string
  shard: string
  reason: string
  retry_count: number
  correlation_id: string
  /** ISO 8601. */
  failed_at: string
}

/** Identifies one failure of one event; `failed_at` is milliseconds since 1970. */
export interface RecordedLetter {
  event_id: string
  failed_at: number
}

/** Cuts a reason to the length that dead letters keep. A redrive by reason cuts it too, so that they match. */
export function cutReason(reason: string): string {
  return reason.slice(0, LIMITS.REASON_LENGTH).toWellFormed()
}

/**
 * Writes the message as JSON text of at most MAX_MESSAGE_BYTES.
 * Payload and metadata stand in it as they were sent, or are left out when they do not fit.
 */
export function deadLetterMessage(
  shard: string,
  state: EventState,
  letter: DeadLetter,
  body: EventBody | null,
): string {
  const { event_id, retry_count, correlation_id } = state
  const fields: DeadLetterMessage = {
    event_id,
    shard,
    reason: letter.reason,
    retry_count,
    correlation_id,
    failed_at: isoTime(letter.failed_at),
  }
  const whole =
    body &&
    jsonOf({
      ...fields,
      payload: new JsonText(body.payload),
      metadata: new JsonText(body.metadata ?? 'null'),
    })
  return whole && byteLength(whole) <= MAX_MESSAGE_BYTES
    ? whole
    : jsonOf({ ...fields, payload_omitted: true })
}

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/**
 * Reads a message from the queue.
 * @returns null, after logging it, for one that is no dead letter: retried, it would only come back
 */
export function parseDeadLetter(body: string): DeadLetterMessage | null {
  try {
    const { event_id, shard, reason, retry_count, correlation_id, failed_at }: DeadLetterMessage =
      JSON.parse(body)
    // The length of every field is bounded, because a batch of letters goes into one bound parameter of D1.
    const isLetter =
      isEventId(event_id) &&
      /^shard-\d{1,3}$/.test(shard) &&
      typeof reason === 'string' &&
      Number.isSafeInteger(retry_count) &&
      typeof correlation_id === 'string' &&
      correlation_id.length <= LIMITS.ID_LENGTH &&
      ISO_TIME.test(failed_at)
    if (isLetter)
      return { event_id, shard, reason: cutReason(reason), retry_count, correlation_id, failed_at }
  } catch {
    // Logged below.
  }
  log('error', 'a message in the dead letter queue is no dead letter; it is dropped')
  return null
}

/** Splits messages, in order, into batches that the queue takes. */
export function deadLetterBatches(messages: string[]): { body: string; contentType: 'text' }[][] {
  const batches: { body: string; contentType: 'text' }[][] = []
  let room = 0
  for (const body of messages) {
    const size = byteLength(body)
    const batch = batches.at(-1)
    if (batch && batch.length < MAX_BATCH_MESSAGES && size <= room)
      batch.push({ body, contentType: 'text' })
    else {
      batches.push([{ body, contentType: 'text' }])
      room = MAX_BATCH_BYTES
    }
    room -= size
  }
  return batches
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength
}
