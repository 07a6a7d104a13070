/** This module turns measurements into Markdown tables. */
import { cpus, release, totalmem } from 'node:os'

/** One line of the last table. A figure without a target is there to be compared with other runs. */
export interface Result {
  name: string
  /** One value a round; empty when something was left out. */
  values: number[]
  digits?: number
  atLeast?: number
  atMost?: number
}

export const median = (values: number[]) => percentile(values, 0.5)

export function percentile(values: number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
}

/** Writes the median, and the range when there are several values. */
export function spread(values: number[], digits = 0): string {
  if (values.length === 0) return 'left out'
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)]
  const range = values.length > 1 ? ` (${least.toFixed(digits)} to ${most.toFixed(digits)})` : ''
  return middle.toFixed(digits) + range
}

export function table([head = [], ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`
  return [head, head.map(() => '---'), ...rows].map(line).join('')
}

export function results(all: Result[]): string {
  const rows = all.map(({ name, values, digits = 2, atLeast, atMost }) => {
    const target =
      atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : '–'
    const value = median(values)
    const holds = value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity)
    const met = target === '–' || values.length === 0 ? '–' : holds ? 'yes' : '**no**'
    return [name, spread(values, digits), target, met]
  })
  return table([['Result', 'median (range)', 'target', 'met'], ...rows])
}

export function machine(): string {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores of ${cpu?.model.trim()}, ${memory} GB, Linux ${release()}, Node.js ${process.version}`
}
