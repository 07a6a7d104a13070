import { isObject } from '../../shared/json'
import { LIMITS } from '../../shared/limits'
import { HttpError } from '../../shared/problem'
import { nestingDepth } from './json-text'

/**
 * Parses JSON that a client sent.
 * @param example shows in the error message what would be right
 * @throws HttpError 400 for malformed JSON, and before parsing for JSON that is nested too deep
 */
export function parseJson(text: string, example = '{"payload": {"order": 1}}'): unknown {
  const depth = nestingDepth(text)
  if (depth > LIMITS.NESTING) {
    const detail = `The JSON is nested ${depth} levels deep. At most ${LIMITS.NESTING} are allowed.`
    throw new HttpError(400, 'NESTING_TOO_DEEP', detail)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? ` (${error.message})` : ''
    const detail = `The body is not valid JSON${reason}. Send an object such as ${example}.`
    throw new HttpError(400, 'INVALID_JSON', detail)
  }
}

/** Names the type of a JSON value, for a message. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return isObject(value) ? 'an object' : `a ${typeof value}`
}
