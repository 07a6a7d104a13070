import { LIMITS } from './limits'

export type EventStatus = 'pending' | 'delivered' | 'failed'
export const STATUSES: readonly EventStatus[] = ['pending', 'delivered', 'failed']

/** The subscription that takes what no other one does. */
export const INBOX = 'inbox'

/** An event as its shard accepts it. */
export interface NewEvent {
  event_id: string
  payload: string
  metadata: string | null
  correlation_id: string
  /** The name of the token that the event came with, for the log. */
  caller?: string
  /** The name of the source it came in by; it is counted there. */
  source?: string
  /** The names of the subscriptions that take it; absent when `inbox` alone does. */
  subscriptions?: string[]
  /** Consumers get it from this moment on, in milliseconds since 1970; absent: at once. */
  not_before?: number
  /** True when the service made the id, so that no other event can have it. */
  isNew?: true
  /**
   * The hash of the body, for a request with an idempotency key.
   * It tells a repeat of the request from another event under the same key.
   */
  fingerprint?: string
}

/** An event as the inbox shows it. Times are milliseconds since 1970. */
export interface StoredEvent {
  event_id: string
  payload: string
  metadata: string | null
  status: EventStatus
  created_at: number
  updated_at: number
  retry_count: number
}

/** An event as D1 has it. */
export interface CopiedEvent extends StoredEvent {
  correlation_id: string
  /** A JSON array of the names of the subscriptions that took it when it came; null when `inbox` alone did. */
  subscriptions: string | null
}

/** An event's row in its shard. */
export interface EventState {
  event_id: string
  status: EventStatus
  /**
   * Failed attempts to store it + nacks + manual retries.
   * It leaves out the attempts that its journal row still counts (see withAttempts).
   */
  retry_count: number
  /** Nacks since it was accepted or last retried, as versions without subscriptions counted them. */
  nacks: number
  created_at: number
  updated_at: number
  correlation_id: string
  fingerprint?: string | null
  /** Digests of the idempotency key of the last nack that had one, and of its body. */
  nack_key?: string | null
  nack_body?: string | null
  /** Which subscriptions take it, and how far they are; see objects/pairs.ts. */
  subscriptions?: string | null
  /** Which subscriptions took it when it came, and none has left since; see objects/takers.ts. */
  takers?: string | null
  /** What happened to it; see objects/timeline.ts. */
  timeline?: string | null
  /** The name of the API token that it came with. */
  accepted_by?: string | null
}

/** What a drain needs of an event's row: half of it, as reading rows is most of what a drain costs. */
export type ToldState = Pick<
  EventState,
  'event_id' | 'status' | 'retry_count' | 'created_at' | 'updated_at' | 'correlation_id' | 'takers'
>

export interface EventBody {
  payload: string
  metadata: string | null
}

/** Measures a body: payload and metadata together, in UTF-16 units. */
export function bodyLength(body: EventBody): number {
  return body.payload.length + (body.metadata?.length ?? 0)
}

// A lone "." or ".." would vanish from the path of /inbox/:id.
const EVENT_ID = /^(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}$/
export const EVENT_ID_RULE =
  `must be 1 to ${LIMITS.ID_LENGTH} characters of A-Z a-z 0-9 . _ : -, ` + 'and not "." or ".."'

export function isEventId(value: unknown): value is string {
  return typeof value === 'string' && EVENT_ID.test(value)
}

export const CORRELATION_ID_RULE = 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : -'

/** Says whether the text may be the correlation id of a request. */
export function isCorrelationId(value: string): boolean {
  return /^[\w.:-]{1,128}$/.test(value)
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
