import { log } from '../../shared/log'
import { HttpError } from '../../shared/problem'
import { problemResponse } from './answers'
import type { InboxRequest } from './middleware'
import { isPassing, shardSilent } from './silence'

/**
 * Answers an error; no other place does.
 * Messages of unexpected errors go to the log, never to the client.
 */
export function answerError(error: unknown, request: InboxRequest): Response {
  const problem = error instanceof HttpError ? error : unexpected(error, request)
  request.code = problem.code
  return problemResponse(problem, request.correlationId)
}

function unexpected(error: unknown, request: InboxRequest): HttpError {
  const passing = isPassing(error)
  log('error', passing ? 'a shard did not answer' : 'unexpected error', {
    correlation_id: request.correlationId,
    error: String(error),
  })
  return passing
    ? shardSilent(`${request.method} ${request.route}`)
    : new HttpError(
        500,
        'INTERNAL',
        'Something went wrong here. Quote the correlation_id when you report it.',
      )
}
