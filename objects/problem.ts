/** One thing that is wrong: what would be right, and the JSON pointer (RFC 6901) or query parameter it is about. */
export type Complaint = { detail: string; pointer: string } | { detail: string; parameter: string }

interface ProblemOptions {
  headers?: Record<string, string>
  errors?: Complaint[]
  /** Further members of the problem object, such as a duplicate's `created_at`. */
  members?: Record<string, unknown>
}

/** An answer that is no success. Thrown at any depth, answered in one place; `detail` is for the client, so it holds nothing internal. */
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

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** The error as `application/problem+json` (RFC 9457 §3). */
export function problemResponse(error: HttpError, correlationId: string): Response {
  const { status, code, message, options } = error
  const body = {
    type: 'about:blank',
    title: TITLES[status],
    status,
    detail: message,
    code,
    ...options.members,
    ...(options.errors && { errors: options.errors }),
    correlation_id: correlationId,
    timestamp: new Date().toISOString(),
  }
  const headers = { ...options.headers, 'Content-Type': 'application/problem+json' }
  return new Response(JSON.stringify(body), { status, headers })
}
