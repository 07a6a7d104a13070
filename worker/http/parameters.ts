import { LIMITS } from '../../shared/limits'
import { type Complaint, HttpError, invalid } from '../../shared/problem'
import { didYouMean } from '../../shared/suggestion'

/**
 * Reads a query string. It collects every complaint, and `done` throws them together.
 * @param known the names that are allowed; any other is a complaint
 * @param prefixes begin further allowed names, such as `payload.`
 * @throws HttpError 400 for too many parameters
 * @example
 * const read = readParameters(url.searchParams, ['limit', 'order'])
 * const limit = read.integer('limit', 50, 1, 1_000)
 * const order = read.choice('order', ['desc', 'asc'])
 * read.done()
 */
export function readParameters(
  params: URLSearchParams,
  known: readonly string[],
  prefixes: readonly string[] = [],
) {
  const complaints: Complaint[] = []
  const complain = (parameter: string, detail: string) => {
    complaints.push({ parameter: parameter.slice(0, 64), detail })
  }
  const given = new Set(params.keys())
  if (given.size > LIMITS.QUERY_PARAMETERS) {
    throw new HttpError(
      400,
      'INVALID_PARAMETER',
      `At most ${LIMITS.QUERY_PARAMETERS} parameters are allowed.`,
    )
  }
  for (const name of given) {
    const isKnown = known.includes(name) || prefixes.some((prefix) => name.startsWith(prefix))
    if (!isKnown) {
      const names = [...known, ...prefixes.map((each) => `${each}<key>`)]
      complain(name, `is unknown; ${didYouMean(name, names) ?? `known are ${names.join(', ')}`}`)
    } else if (params.getAll(name).length > 1) complain(name, 'was given more than once')
  }
  return {
    text: (name: string) => params.get(name),
    /** Reads a whole number within the bounds, or `otherwise` when it was not given. */
    integer<Otherwise>(
      name: string,
      otherwise: Otherwise,
      least: number,
      most: number,
    ): number | Otherwise {
      const text = params.get(name)
      if (text === null) return otherwise
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
      if (!(value >= least && value <= most))
        complain(name, `must be a whole number from ${least} to ${most}`)
      return value
    },
    /** Reads one of `choices`, or the first of them when it was not given. */
    choice<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
      const text = params.get(name)
      const chosen = choices.find((choice) => choice === text)
      if (text !== null && !chosen) complain(name, `must be ${choices.join(' or ')}`)
      return chosen ?? choices[0]
    },
    complain,
    /** Ends the reading. @throws HttpError 400 that names every wrong parameter */
    done(): void {
      if (complaints.length > 0) throw invalid('INVALID_PARAMETER', 'query', complaints)
    },
  }
}
