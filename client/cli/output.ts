/** This module writes: results to standard output, everything else to standard error; colours only to a terminal. */

const CODES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const
const BAR_WIDTH = 30
/** Where the terminal does not say how wide it is, or says 0. */
const WIDTH = 100

export interface Output {
  isJson: boolean
  /** Whether a person watches. */
  isTerminal: boolean
  print(line: string): void
  say(line: string): void
  /** Replaces the line before it, on a terminal only; empty, it takes it away. */
  progress(line: string): void
  paint(text: string, colour: keyof typeof CODES): string
  table(rows: unknown[][]): void
}

export function outputOf(isJson: boolean): Output {
  const isTerminal = Boolean(process.stderr.isTTY)
  const isColoured = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  return {
    isJson,
    isTerminal,
    print,
    say: (line) => void process.stderr.write(`${line}\n`),
    progress: (line) => isTerminal && process.stderr.write(`\r\u001B[K${line}`),
    paint: (text, colour) => (isColoured ? `\u001B[${CODES[colour]}m${text}\u001B[0m` : text),
    table: (rows) => tableOf(rows).forEach(print),
  }
}

/** Lines up cells; numbers to the right. A line is cut at the width of the terminal. */
function tableOf(rows: unknown[][]): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [at, cell] of row.entries())
      widths[at] = Math.max(widths[at] ?? 0, String(cell).length)
  const width = process.stdout.isTTY ? process.stdout.columns || WIDTH : Infinity
  return rows.map((row) => {
    const cells = row.map((cell, at) =>
      typeof cell === 'number'
        ? String(cell).padStart(widths[at] ?? 0)
        : String(cell).padEnd(widths[at] ?? 0),
    )
    return cells.join('  ').trimEnd().slice(0, width)
  })
}

export function bar(part: number): string {
  const full = Math.round(Math.min(1, part) * BAR_WIDTH)
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${Math.floor(part * 100)}%`
}

/** JSON of what the inbox said. Numbers keep their digits where Node can do that (21 and newer). */
export const jsonOf = (value: unknown, space?: number): string => JSON.stringify(value, null, space)

type Reviver = (
  this: unknown,
  key: string,
  value: unknown,
  context?: { source?: string },
) => unknown

/** Reads JSON so that `jsonOf` writes each number as it was. */
export function parseExactly(text: string): unknown {
  const raw: unknown = Reflect.get(JSON, 'rawJSON')
  if (typeof raw !== 'function') return JSON.parse(text)
  const keep: Reviver = (_, value, context) =>
    typeof value === 'number' && context?.source && context.source !== String(value)
      ? raw(context.source)
      : value
  return JSON.parse(text, keep as (key: string, value: unknown) => unknown)
}
