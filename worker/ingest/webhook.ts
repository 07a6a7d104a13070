import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import { STANDARD_WEBHOOKS } from '../../shared/senders/generic'
import type { Secret } from '../../shared/source-secrets'
import type { Source } from '../../shared/sources'
import { type Body, readBytes, tooLarge } from '../http/body'
import { exceeds, type Ingest } from './batch'
import { type Content, readContent } from './sources/content'
import { firstHeader } from './sources/delivery'
import { verify } from './sources/verify'

/** This module reads Standard Webhooks that come with a token, to POST /events. */

const IDS = ['webhook-id', 'svix-id']
const TIMESTAMPS = ['webhook-timestamp', 'svix-timestamp']

/** Says whether a request is one of Standard Webhooks, by either family of its headers. */
export function isWebhook(headers: Headers): boolean {
  return IDS.some((name) => headers.has(name))
}

/**
 * Reads a request of Standard Webhooks: the body is the payload, its id says which event it is.
 * A repeat is one whatever its body: to its sender a conflict would be a failure, to be tried for days.
 * @param secrets to verify the signature with; when there are none it is not looked at
 * @throws HttpError 400 without a usable id, 401 when the signature does not match
 */
export async function readWebhook(request: Body, secrets: readonly Secret[]): Promise<Ingest> {
  const { headers } = request
  const id = firstHeader(headers, IDS) ?? ''
  if (id === '' || id.length > LIMITS.IDEMPOTENCY_KEY_LENGTH) {
    const detail = `webhook-id must have 1 to ${LIMITS.IDEMPOTENCY_KEY_LENGTH} characters.`
    throw new HttpError(400, 'INVALID_WEBHOOK', detail)
  }
  const body = await readBytes(request, LIMITS.EVENT_BYTES)
  const { payload } =
    secrets.length > 0 ? await verified(secrets, headers, body) : readContent(body, headers)
  const webhook_timestamp = firstHeader(headers, TIMESTAMPS)
  const metadata = JSON.stringify({ webhook_id: id, webhook_timestamp })
  if (exceeds(payload + metadata, LIMITS.STORED_BYTES)) throw tooLarge(LIMITS.STORED_BYTES)
  const draft = { event_id: null, identity: null, not_before: null, payload, metadata }
  return { batch: false, entries: [{ draft }], key: ['webhook', id], text: id }
}

/** What is in a body that is signed with one of the secrets. @throws HttpError 401 */
async function verified(
  secrets: readonly Secret[],
  headers: Headers,
  body: Uint8Array,
): Promise<Content> {
  const source: Source = {
    name: 'webhook',
    type: 'standard-webhooks',
    row: STANDARD_WEBHOOKS,
    secrets,
    verifyToken: null,
    url: null,
  }
  const delivery = { method: 'POST', url: '', headers, body }
  const verdict = await verify(source, delivery, Date.now())
  if (verdict.accepted) return verdict.content
  throw new HttpError(
    401,
    'INVALID_SIGNATURE',
    'The webhook signature does not match, or its timestamp is over 5 minutes away.',
    { headers: { 'WWW-Authenticate': 'Bearer' } },
  )
}
