import { type EventBody, type EventState, INBOX, isEventId, isoTime } from './event'
import { jsonOf, JsonText } from './json'
import { LIMITS } from './limits'
import { log } from './log'

/** The queue takes 128 KB a message, and its own overhead counts towards that. */
export const MAX_MESSAGE_BYTES = 100_000
/** The queue takes 256 KB and 100 messages at once. */
const MAX_BATCH_BYTES = 240_000
const MAX_BATCH_MESSAGES = 100

/** The subscription of the letter of an event that D1 refused: it is given up in all of them. */
export const EVERY_SUBSCRIPTION = ''

/** Names an event and one of the subscriptions that take it. Each pair can fail by itself. */
export type PairKey = [event_id: string, subscription: string]

/** Why a pair failed, as the event's shard keeps it; `failed_at` is milliseconds since 1970. */
export interface DeadLetter {
  event_id: string
  /** The name of the subscription, or EVERY_SUBSCRIPTION. */
  subscription: string
  reason: string
  failed_at: number
}

/** A dead letter as the queue carries it. The message also has payload and metadata, or `payload_omitted`. */
export interface DeadLetterMessage {
  event_id: string
  /** Absent from the messages of shards of the version before, which mean `inbox`. */
  subscription?: string
  shard: string
  reason: string
  retry_count: number
  correlation_id: string
  /** ISO 8601. */
  failed_at: string
}

/** Identifies one failure of one pair; `failed_at` is milliseconds since 1970. */
export interface RecordedLetter {
  event_id: string
  failed_at: number
  /** Workers and shards of the version before leave it out. */
  subscription?: string | null
}

/** Lists the subscriptions of each event that is in these pairs. */
export function subscriptionsByEvent(pairs: PairKey[]): Map<string, string[]> {
  const byEvent = Map.groupBy(pairs, ([event_id]) => event_id)
  return new Map([...byEvent].map(([event_id, own]) => [event_id, own.map(([, name]) => name)]))
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
    subscription: letter.subscription,
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

const SUBSCRIPTION = /^[a-z0-9-]{0,64}$/
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/**
 * Reads a message from the queue.
 * @returns null, after logging it, for one that is no dead letter: retried, it would only come back
 */
export function parseDeadLetter(body: string): DeadLetterMessage | null {
  try {
    const message: DeadLetterMessage = JSON.parse(body)
    const { event_id, subscription, shard, reason, retry_count, correlation_id, failed_at } =
      message
    // The length of every field is bounded, because a batch of letters goes into one bound parameter of D1.
    const isLetter =
      isEventId(event_id) &&
      ['string', 'undefined'].includes(typeof subscription) &&
      SUBSCRIPTION.test(subscription ?? INBOX) &&
      /^shard-\d{1,3}$/.test(shard) &&
      typeof reason === 'string' &&
      Number.isSafeInteger(retry_count) &&
      typeof correlation_id === 'string' &&
      correlation_id.length <= LIMITS.ID_LENGTH &&
      ISO_TIME.test(failed_at)
    if (isLetter)
      return {
        event_id,
        ...(subscription !== undefined && { subscription }),
        shard,
        reason: cutReason(reason),
        retry_count,
        correlation_id,
        failed_at,
      }
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
