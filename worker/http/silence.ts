import { type HttpError, unavailable } from '../../shared/problem'

/**
 * This module answers for a shard that did not answer.
 * It may have done what it was asked, so each request has its own advice. No I/O.
 */

const SILENCE = 'A shard did not answer.'

/**
 * Tells the sender what to do then, by method and route.
 * A request that is not named here changes nothing, and can just be sent again.
 */
const ADVICE: Record<string, string> = {
  'POST /inbox/:id/ack':
    'Send the request again: a 409 that says delivered means that it was done.',
  'POST /inbox/:id/nack':
    'It may have counted the nack. With an Idempotency-Key, send the request again with the same one; ' +
    'without, look at the event’s retry_count first.',
  'POST /inbox/:id/retry':
    'Send the request again: a 409 that says pending means that it was done.',
  'POST /inbox/claim':
    'Send the request again. If it leased events after all, they come back when their lease ends.',
  'POST /leases/:token/settle':
    'Send the request again: what was done is not done twice, and gets the same answer.',
  'DELETE /inbox/:id': 'Send the request again: a 404 means that it was done.',
  'POST /dlq/retry':
    'Send the request again: what was redriven already is not redriven twice, nor counted again.',
}

/** Says whether a shard's error will pass. The shard was silent, reset, cut off or overloaded, rather than wrong. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'TimeoutError') return true
  // The runtime marks its errors by these properties, and leaves out those that do not hold.
  return 'durableObjectReset' in error || 'retryable' in error || 'overloaded' in error
}

/** Says whether the shard is of the version before, and does not know what it was asked. It is gone in a moment. */
export function isFormer(error: unknown): boolean {
  return /does not implement/.test(String(error))
}

/** Makes the 503 for a request whose shard did not answer. @param request its method and route, as in worker.ts */
export function shardSilent(request: string): HttpError {
  return unavailable(`${SILENCE} ${ADVICE[request] ?? 'Send the request again.'}`)
}

/**
 * Makes the 503 for an event whose shard did not answer.
 * @param isNew whether the service made the id, so that the sender does not know it
 */
export function eventUnanswered(event_id: string, isNew: boolean): HttpError {
  const advice = isNew
    ? `It may have the event. Send it again with this event_id, and it is there once: ${event_id}`
    : 'Send the event again as it was: it is there once.'
  return unavailable(`${SILENCE} ${advice}`, { event_id })
}
