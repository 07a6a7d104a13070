import { configurationOf, type Variables } from './config'
import type { EventState, EventStatus } from './event'

/** What can be done to an event; `refuse` means that D1 rejected it at the last attempt. */
export type Verb = 'ack' | 'nack' | 'retry' | 'refuse'

/** The status that each verb turns each status into. A pair that is missing is not allowed. */
const TRANSITIONS: Record<Verb, Partial<Record<EventStatus, EventStatus>>> = {
  ack: { pending: 'delivered' },
  // The last nack allowed makes it `failed`; see applyTransition.
  nack: { pending: 'pending' },
  retry: { failed: 'pending' },
  refuse: { pending: 'failed' },
}

/** Lists the statuses that a verb may be applied to. */
export function allowedFrom(verb: Verb): string[] {
  return Object.keys(TRANSITIONS[verb])
}

/**
 * Returns the event's state after `verb`, or null when its present status does not allow it.
 * The nack that brings the nacks since the last retry to `nacksAllowed` fails the event.
 */
export function applyTransition(
  verb: Verb,
  state: EventState,
  at: number,
  nacksAllowed: number,
): EventState | null {
  const status = TRANSITIONS[verb][state.status]
  if (!status) return null
  const moved = { ...state, status, updated_at: at }
  if (verb === 'retry') return { ...moved, nacks: 0, retry_count: state.retry_count + 1 }
  if (verb !== 'nack') return moved
  const nacks = state.nacks + 1
  return {
    ...moved,
    nacks,
    retry_count: state.retry_count + 1,
    status: nacks >= nacksAllowed ? 'failed' : 'pending',
  }
}

/** Returns the MAX_RETRIES variable, or Infinity while it is malformed: then no event fails. */
export function maxRetries(env: Variables): number {
  return configurationOf(env).maxRetries ?? Infinity
}
