import type { Ack } from '../../../shared/source-types'
import { json, now } from '../../http/answers'

/** What each type of sender takes as a yes. A duplicate is one too: a sender that hears a no sends for days. */

export type Stored = 'accepted' | 'duplicate'

const ACKS: Record<Ack, (event_id: string, status: Stored) => Response> = {
  json: (event_id, status) => json({ data: { event_id, status }, timestamp: now() }),
  empty: () => new Response(null),
  'no-content': () => new Response(null, { status: 204 }),
  // Twilio would read another body as instructions for the call, or as the answer to a message.
  twiml: () => new Response('<Response/>', { headers: { 'Content-Type': 'text/xml' } }),
}

/** The answer to a delivery that is stored, now or before. */
export function acknowledge(ack: Ack, event_id: string, status: Stored): Response {
  return ACKS[ack](event_id, status)
}
