/** Says what is wrong in one place of a request: at a JSON pointer (RFC 6901) or in a query parameter. */
export type Complaint = { detail: string; pointer: string } | { detail: string; parameter: string }

interface ProblemOptions {
  headers?: Record<string, string>
  errors?: Complaint[]
  /** Further members of the problem object, such as a duplicate's `created_at`. */
  members?: Record<string, unknown>
}

/**
 * An answer that is no success. It is thrown at any depth and answered in one place.
 * `detail` is for the client, so it holds nothing internal.
 */
export class HttpError extends Error {
  readonly status: number
  readonly code: string
  readonly options: ProblemOptions

  constructor(status: number, code: string, detail: string, options: ProblemOptions = {}) {
    super(detail)
    this.status = status
    this.code = code
    this.options = options
  }
}

/** Makes a 400 that names what is wrong. @param what an event, a body, a query or a path */
export function invalid(code: string, what: string, errors: Complaint[]): HttpError {
  const named = errors.slice(0, 5).map((error) => {
    const where = 'pointer' in error ? error.pointer.slice(2) || `the ${what}` : error.parameter
    return `${where} ${error.detail}`
  })
  return new HttpError(400, code, `The ${what} is not valid: ${named.join('. ')}.`, { errors })
}

/** Makes a 503 for what may well work in a moment. */
export function unavailable(detail: string, members: Record<string, unknown> = {}): HttpError {
  return new HttpError(503, 'UNAVAILABLE', detail, { headers: { 'Retry-After': '2' }, members })
}

/** Makes a 422 for an idempotency key that came with another body before. @param what is an event or a nack */
export function keyReused(what: string, members: Record<string, unknown>): HttpError {
  const detail = `This key was used for another body. Use a new key for a new ${what}.`
  return new HttpError(422, 'IDEMPOTENCY_KEY_REUSED', detail, { members })
}
