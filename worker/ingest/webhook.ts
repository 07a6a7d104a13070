import type { Webhook } from 'standardwebhooks'
import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import { type Body, readSignedText, withoutMark } from '../http/body'
import { parseJson } from '../http/json'
import type { Ingest } from './batch'
import { payloadOf } from './event'

/**
 * Reads a request of Standard Webhooks: the body is the payload, `webhook-id` the idempotency key.
 * @param webhooks verify the signature; when there are none it is not checked
 * @throws HttpError 400 without a usable id, 401 when the signature does not match
 */
export async function readWebhook(request: Body, webhooks: readonly Webhook[]): Promise<Ingest> {
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
      // The next secret may match.
    }
  }
  throw new HttpError(
    401,
    'INVALID_SIGNATURE',
    'The webhook signature does not match, or its timestamp is over 5 minutes away.',
    { headers: { 'WWW-Authenticate': 'Bearer' } },
  )
}
