import { EVENT_ID_RULE, isEventId } from './event'
import { HttpError } from './problem'

/** What a handler reads from a request, and what it refuses in it. */

/** @throws HttpError 415 unless the body is JSON */
export function requireJson(request: Pick<Request, 'headers'>): void {
  const mediaType = request.headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType === 'application/json') return
  throw new HttpError(
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    'Send the body with "Content-Type: application/json".',
    { headers: { Accept: 'application/json' } },
  )
}

/** The body as text; stops reading at the limit, whatever Content-Length says. @throws HttpError 413, or 400 for what is not UTF-8 */
export async function readText(
  request: Pick<Request, 'headers' | 'body'>,
  maxBytes: number,
): Promise<string> {
  const tooLarge = new HttpError(
    413,
    'CONTENT_TOO_LARGE',
    `The body is larger than ${maxBytes} bytes. Keep large data elsewhere and send its address.`,
  )
  if (Number(request.headers.get('Content-Length')) > maxBytes) throw tooLarge
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let size = 0
  let text = ''
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength
      if (size > maxBytes) throw tooLarge
      text += decoder.decode(chunk, { stream: true })
    }
    return text + decoder.decode()
  } catch (error) {
    if (error instanceof TypeError)
      throw new HttpError(400, 'INVALID_UTF8', 'The body is not valid UTF-8.')
    throw error
  }
}

/** The event id in the path. @throws HttpError 400 for what can be none */
export function eventIdOf(request: { params: Record<string, string> }): string {
  let id: string | undefined
  try {
    id = decodeURIComponent(request.params.id ?? '')
  } catch {
    // Not percent-encoded correctly: no event id either.
  }
  if (isEventId(id)) return id
  throw new HttpError(400, 'INVALID_PARAMETER', `The event id ${EVENT_ID_RULE}.`, {
    errors: [{ parameter: 'id', detail: EVENT_ID_RULE }],
  })
}
