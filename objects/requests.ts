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

type Body = Pick<Request, 'headers' | 'body' | 'bytes'>

// A byte order mark stays: JSON has none.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The body as text. @throws HttpError 400 for what is not UTF-8, and as readBytes */
export async function readText(request: Body, maxBytes: number): Promise<string> {
  const bytes = await readBytes(request, maxBytes)
  try {
    return decoder.decode(bytes)
  } catch {
    throw new HttpError(400, 'INVALID_UTF8', 'The body is not valid UTF-8.')
  }
}

/** The body's bytes, read no further than the limit. @throws HttpError 413, or 400 for what was cut off */
export async function readBytes(request: Body, maxBytes: number): Promise<Uint8Array> {
  const declared = request.headers.get('Content-Length')
  if (Number(declared ?? 0) > maxBytes) throw tooLarge(maxBytes)
  try {
    // One wait brings the whole of it.
    if (declared !== null) {
      const bytes = await request.bytes()
      if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes)
      return bytes
    }
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength
      if (size > maxBytes) throw tooLarge(maxBytes)
      chunks.push(chunk)
    }
    return await new Blob(chunks).bytes()
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError(400, 'INCOMPLETE_BODY', 'The body ended before it was complete.')
  }
}

/** 413 for a body that is larger than `maxBytes`. */
export function tooLarge(maxBytes: number): HttpError {
  const detail = `The body is larger than ${maxBytes} bytes. Keep large data elsewhere and send its address.`
  return new HttpError(413, 'CONTENT_TOO_LARGE', detail)
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
