import { LIMITS } from '../../shared/limits'
import { type Complaint, invalid } from '../../shared/problem'
import { didYouMean } from '../../shared/suggestion'
import { isObject } from '../../shared/json'
import { parseJson } from './json'

/**
 * Reads the members of a JSON object that a client sent. It collects every complaint, and `done` throws them together.
 * @param at the object's own JSON pointer, when it stands in another one
 * @throws HttpError 400 for what is no JSON object
 * @example
 * const read = readMembers(await readText(request, 1_000), ['limit'], '{"limit": 10}')
 * const limit = read.integer('limit', 10, 1, 100)
 * read.done()
 */
export function readMembers(text: string, known: readonly string[], example: string) {
  const value = text.trim() === '' ? {} : parseJson(text, example)
  if (!isObject(value))
    throw invalid('INVALID_BODY', 'body', [
      { pointer: '#', detail: `must be a JSON object such as ${example}` },
    ])
  return membersOf(value, known)
}

/** The same for an object that was parsed already. */
export function membersOf(
  value: Record<string, unknown>,
  known: readonly string[],
  at = '#',
  complaints: Complaint[] = [],
) {
  const complain = (name: string, detail: string) => {
    complaints.push({ pointer: name === '' ? at : `${at}/${name}`, detail })
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue
    complain(
      '',
      `has an unknown member; ${didYouMean(name, [...known]) ?? `known are ${known.join(', ')}`}`,
    )
    break
  }
  return {
    value,
    complaints,
    complain,
    /** Reads a whole number within the bounds, or `otherwise` when it is absent or null. */
    integer<Otherwise>(name: string, otherwise: Otherwise, least: number, most: number) {
      const given = value[name]
      if (given == null) return otherwise
      if (typeof given === 'number' && Number.isInteger(given) && given >= least && given <= most)
        return given
      complain(name, `must be a whole number from ${least} to ${most}`)
      return otherwise
    },
    /** Reads text of up to `most` characters, or `otherwise` when it is absent or null. */
    text<Otherwise>(name: string, otherwise: Otherwise, most: number) {
      const given = value[name]
      if (given == null) return otherwise
      if (typeof given === 'string' && given.length > 0 && given.length <= most) return given
      complain(name, `must be a string of 1 to ${most} characters`)
      return otherwise
    },
    /** Ends the reading. @throws HttpError 400 that names what is wrong, at most LIMITS.COMPLAINTS */
    done(): void {
      if (complaints.length > 0)
        throw invalid('INVALID_BODY', 'body', complaints.slice(0, LIMITS.COMPLAINTS))
    },
  }
}
