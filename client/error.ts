import type { Problem } from './types.ts'

/**
 * The inbox said no, or did not answer.
 * @example catch (error) { if (error instanceof InboxError && error.code === 'EVENT_NOT_FOUND') … }
 */
export class InboxError extends Error {
  override readonly name = 'InboxError'
  /** That of the problem. `NO_ANSWER` when none came, `UNEXPECTED_ANSWER` when it was not of an inbox. */
  readonly code: string
  /** The HTTP status; 0 when no answer came. */
  readonly status: number
  /** Finds the request in the log of the inbox. */
  readonly correlationId: string | null
  readonly detail: string
  /** How long the inbox asked to wait; 0 when it did not say. */
  readonly retryAfterSeconds: number
  /** All that the inbox said. */
  readonly problem: Partial<Problem>

  constructor(
    status: number,
    problem: Partial<Problem>,
    { cause, retryAfterSeconds = 0 }: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    const { code = 'UNEXPECTED_ANSWER', detail = `The answer has the status ${status}.` } = problem
    super(`${code}: ${detail}`, { cause })
    this.status = status
    this.code = code
    this.detail = detail
    this.correlationId = problem.correlation_id ?? null
    this.retryAfterSeconds = retryAfterSeconds
    this.problem = problem
  }

  /** Says whether the same request may well succeed in a moment. */
  get isPassing(): boolean {
    // A configuration that is wrong stays so for longer than anybody waits.
    if (this.code === 'NOT_CONFIGURED') return false
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

/** Says what was thrown. Anything can be, also what no string can be made of. */
export function reasonOf(error: unknown): string {
  try {
    return String((error instanceof Error && error.message) || error)
  } catch {
    return 'What was thrown cannot be shown.'
  }
}
