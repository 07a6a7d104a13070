import { type Complaint, HttpError } from './problem'

/** Reads a query string; every complaint is collected, and `done` throws them together. */
export function readParameters(params: URLSearchParams, known: string[]) {
  const complaints: Complaint[] = []
  const complain = (parameter: string, detail: string) => complaints.push({ parameter, detail })
  for (const name of new Set(params.keys())) {
    if (!known.includes(name))
      complain(name.slice(0, 64), `is unknown; known are ${known.join(', ')}`)
    else if (params.getAll(name).length > 1) complain(name, 'was given more than once')
  }
  return {
    text: (name: string) => params.get(name),
    /** A whole number within the bounds, or `otherwise` when it was not given. */
    integer(name: string, otherwise: number, least: number, most: number): number {
      const text = params.get(name)
      if (text === null) return otherwise
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
      if (!(value >= least && value <= most))
        complain(name, `must be a whole number from ${least} to ${most}`)
      return value
    },
    complain,
    /** @throws HttpError 400 that names every wrong parameter */
    done(): void {
      if (complaints.length === 0) return
      const named = complaints.map((each) =>
        'parameter' in each ? `${each.parameter} ${each.detail}` : each.detail,
      )
      throw new HttpError(
        400,
        'INVALID_PARAMETER',
        `The query is not valid: ${named.join('. ')}.`,
        { errors: complaints },
      )
    },
  }
}
