import { EVENT_ID_RULE, isEventId } from '../../shared/event'
import { HttpError, invalid } from '../../shared/problem'
import { holdBytes } from './body-budget'
import { isJson, mediaTypeOf } from './media-type'

/** This module reads what handlers need from a request, and throws for what they cannot take. */

/** Checks that the body is JSON. @throws HttpError 415 when it is not */
export function requireJson(request: Pick<Request, 'headers'>): void {
  if (isJson(mediaTypeOf(request))) return
  throw new HttpError(
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    'Send the body with "Content-Type: application/json".',
    { headers: { Accept: 'application/json' } },
  )
}

export type Body = Pick<Request, 'headers' | 'body' | 'bytes'>

// `ignoreBOM` keeps a byte order mark as a character.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads the body as text, without a byte order mark. @throws HttpError 400 for what is not UTF-8, and as readBytes */
export async function readText(request: Body, maxBytes: number): Promise<string> {
  return withoutMark(await readSignedText(request, maxBytes))
}

/** Reads the body as text, with the byte order mark if it has one: signatures cover that too. */
export async function readSignedText(request: Body, maxBytes: number): Promise<string> {
  const bytes = await readBytes(request, maxBytes)
  try {
    return decoder.decode(bytes)
  } catch {
    throw new HttpError(400, 'INVALID_UTF8', 'The body is not valid UTF-8.')
  }
}

/** Removes a byte order mark. JSON has none, but some editors and shells put one in front of a file. */
export function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** A compressed body may be this much longer than the limit. What cannot be compressed gets a little longer. */
const CODING_OVERHEAD_BYTES = 16_384

/**
 * Reads the body's bytes, decompressed, and stops at the limit.
 * @throws HttpError 413 too large, 415 unknown coding, 503 too many bodies at once, 400 incomplete or not valid
 */
export async function readBytes(request: Body, maxBytes: number): Promise<Uint8Array> {
  const coding = codingOf(request)
  const declared = declaredLength(request)
  if (coding) return readCompressed(request, declared === 0 ? null : request.body, coding, maxBytes)
  if (declared !== null && declared > maxBytes) throw tooLarge(maxBytes)
  try {
    if (declared === null) return await readPieces(request, request.body, maxBytes)
    holdBytes(request, declared)
    // With a declared length one await brings the whole body.
    const bytes = await request.bytes()
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes)
    return bytes
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError(400, 'INCOMPLETE_BODY', 'The body ended before it was complete.')
  }
}

async function readPieces(
  request: Body,
  stream: Body['body'],
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge(maxBytes)
    holdBytes(request, chunk.byteLength)
    chunks.push(chunk)
  }
  return new Blob(chunks).bytes()
}

/** Decompresses piece by piece. It stops at the limit, and so it does for a body from which nothing comes out. */
async function readCompressed(
  request: Body,
  body: Body['body'],
  coding: 'gzip' | 'deflate',
  maxBytes: number,
): Promise<Uint8Array> {
  let sent = 0
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sent += chunk.byteLength
      if (sent > maxBytes + CODING_OVERHEAD_BYTES) controller.terminate()
      else controller.enqueue(chunk)
    },
  })
  const decoded = body && body.pipeThrough(counted).pipeThrough(new DecompressionStream(coding))
  try {
    return await readPieces(request, decoded, maxBytes)
  } catch (error) {
    if (error instanceof HttpError) throw error
    if (sent > maxBytes + CODING_OVERHEAD_BYTES) throw tooLarge(maxBytes)
    const detail = `The body is not valid ${coding}, or ended before it was complete.`
    throw new HttpError(400, 'INVALID_ENCODING', detail)
  }
}

function declaredLength({ headers }: Body): number | null {
  const declared = headers.get('Content-Length') ?? ''
  return /^\d+$/.test(declared) ? Number(declared) : null
}

/** Says how the body is compressed, or null. @throws HttpError 415 for a coding that is not known */
function codingOf({ headers }: Body): 'gzip' | 'deflate' | null {
  switch (headers.get('Content-Encoding')?.trim().toLowerCase() ?? '') {
    case '':
    case 'identity':
      return null
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'deflate':
      return 'deflate'
  }
  throw new HttpError(
    415,
    'UNSUPPORTED_ENCODING',
    'Send the body as it is, or with "Content-Encoding: gzip" or "deflate".',
    { headers: { 'Accept-Encoding': 'gzip, deflate, identity' } },
  )
}

/** Makes the 413 for a body that is larger than `maxBytes`. */
export function tooLarge(maxBytes: number): HttpError {
  const detail = `The body is larger than ${maxBytes} bytes. Keep large data elsewhere and send its address.`
  return new HttpError(413, 'CONTENT_TOO_LARGE', detail)
}

/** Reads the event id in the path. @throws HttpError 400 for what cannot be one */
export function eventIdOf(request: { params: Record<string, string> }): string {
  let id: string | undefined
  try {
    id = decodeURIComponent(request.params.id ?? '')
  } catch {
    // What is not percent-encoded correctly is no event id either.
  }
  if (isEventId(id)) return id
  throw invalid('INVALID_PARAMETER', 'path', [{ parameter: 'id', detail: EVENT_ID_RULE }])
}
