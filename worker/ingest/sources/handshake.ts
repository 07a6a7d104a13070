import { bytesOfText, hexOf } from '../../../shared/encoding'
import { isObject } from '../../../shared/json'
import type { Handshake } from '../../../shared/source-types'
import type { Source } from '../../../shared/sources'
import { isSecret, keyOf } from './keys'
import type { Accepted, Reason } from './verify'

/** Answers what senders ask of a URL before they send events to it. Only a delivery that was proven gets an answer. */

type Answer = (value: Record<string, unknown>, accepted: Accepted) => Promise<Response | null>

const ANSWERS: Record<Handshake, Answer> = {
  // https://docs.slack.dev/reference/events/url_verification
  async slack(value) {
    if (value.ssl_check === '1') return new Response(null)
    return value.type === 'url_verification' && typeof value.challenge === 'string'
      ? plainText(value.challenge)
      : null
  },
  // https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint
  async zoom({ event, payload }, { secret }) {
    if (event !== 'endpoint.url_validation' || !isObject(payload) || !secret) return null
    const { plainToken } = payload
    const key = await keyOf(secret, 'HMAC-SHA-256')
    if (typeof plainToken !== 'string' || !key) return null
    const mac = await crypto.subtle.sign('HMAC', key, bytesOfText(plainToken))
    return Response.json({ plainToken, encryptedToken: hexOf(new Uint8Array(mac)) })
  },
  // https://docs.discord.com/developers/events/webhook-events#responding-to-events
  async discord({ type }) {
    return type === 0 ? new Response(null, { status: 204 }) : null
  },
  // It asks by GET.
  async meta() {
    return null
  },
}

/** The answer to a delivery that is a question and no event, and is not stored; null for an event. */
export async function handshakeAnswer(
  source: Source,
  accepted: Accepted,
): Promise<Response | null> {
  const { handshake } = source.row
  const { value } = accepted.content
  return handshake && isObject(value) ? ANSWERS[handshake](value, accepted) : null
}

/**
 * The answer to Meta's GET, which proves itself by the verify token alone, or why it is refused; null for other types.
 * https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
 */
export async function subscriptionAnswer(
  { row, verifyToken }: Source,
  url: string,
): Promise<Response | Reason | null> {
  if (row.handshake !== 'meta' || !verifyToken) return null
  const query = URL.parse(url)?.searchParams
  const token = query?.get('hub.verify_token')
  if (!token) return 'missing_token'
  const isKnown = await isSecret(verifyToken, bytesOfText(token))
  return isKnown && query?.get('hub.mode') === 'subscribe'
    ? plainText(query.get('hub.challenge') ?? '')
    : 'wrong_token'
}

/** As text, so that no browser takes what the sender chose for a page. */
function plainText(text: string): Response {
  return new Response(text, { headers: { 'Content-Type': 'text/plain; charset=utf-8' } })
}
