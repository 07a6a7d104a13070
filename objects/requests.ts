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

type Body = Pick<Request, 'headers' | 'body'>

/**
 * The body as text; stops reading at the limit, whatever Content-Length says. `maxBytes` may depend on how the text begins.
 * @throws HttpError 413, or 400 for what is not UTF-8 or was cut off
 */
export async function readText(
  request: Body,
  maxBytes: number | ((start: string) => number),
): Promise<string> {
  let text = ''
  const limit = () => (typeof maxBytes === 'number' ? maxBytes : maxBytes(text))
  for await (const piece of pieces(request, limit)) text += piece
  return text
}

/** The lines of the body that are not blank, without ever holding the whole. @throws as readText */
export async function* readLines(request: Body, maxBytes: number): AsyncGenerator<string> {
  let carry: string[] = []
  for await (const piece of pieces(request, () => maxBytes)) {
    let from = 0
    for (let end = piece.indexOf('\n'); end !== -1; end = piece.indexOf('\n', from)) {
      const line = [...carry, piece.slice(from, end)].join('')
      carry = []
      from = end + 1
      if (line.trim() !== '') yield line
    }
    carry.push(piece.slice(from))
  }
  const last = carry.join('')
  if (last.trim() !== '') yield last
}

/** The body's bytes. @throws as readText */
export async function readBytes(request: Body, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(request, () => maxBytes)) chunks.push(chunk)
  const size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

async function* pieces(request: Body, limit: () => number): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decode = (chunk?: Uint8Array) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined })
    } catch {
      throw new HttpError(400, 'INVALID_UTF8', 'The body is not valid UTF-8.')
    }
  }
  for await (const chunk of chunksOf(request, limit)) yield decode(chunk)
  yield decode()
}

async function* chunksOf({ headers, body }: Body, limit: () => number): AsyncGenerator<Uint8Array> {
  let size = 0
  const check = (bytes: number) => {
    if (bytes <= limit()) return
    const detail = `The body is larger than ${limit()} bytes. Keep large data elsewhere and send its address.`
    throw new HttpError(413, 'CONTENT_TOO_LARGE', detail)
  }
  check(Math.min(Number(headers.get('Content-Length') ?? 0), Number.MAX_SAFE_INTEGER))
  try {
    for await (const chunk of body ?? []) {
      size += chunk.byteLength
      check(size)
      yield chunk
    }
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError(400, 'INCOMPLETE_BODY', 'The body ended before it was complete.')
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
