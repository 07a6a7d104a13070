import { randomUUID } from 'node:crypto'

/** This module writes: results to standard output, everything else to standard error; colours only to a terminal. */

const CODES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const
const BAR_WIDTH = 30
/** Where the terminal does not say how wide it is, or says 0. */
const WIDTH = 100
/** Stands for the beginning of a colour until its line is written. Nobody else can have written it. */
const MARK = randomUUID()
const MARKS = new RegExp(`${MARK}(\\d+)m`, 'g')

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

/** Where output goes, as `process` has it. */
export interface Outlets {
  stdout: Outlet
  stderr: Outlet
  env: Record<string, string | undefined>
}

interface Outlet {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

export function outputOf(isJson: boolean, { stdout, stderr, env }: Outlets = process): Output {
  const isTerminal = Boolean(stderr.isTTY)
  // A painted word may go to either of them.
  const isColoured = Boolean(stdout.isTTY && stderr.isTTY) && !env.NO_COLOR
  /** Writes a line. On a terminal, what would steer it is shown instead, unless the line must be exact. */
  const write = (to: Outlet, line: string, isExact = false) => {
    const shown = to.isTTY && !isExact ? visible(line) : line
    to.write(`${shown.replaceAll(MARKS, '\u001B[$1m')}\n`)
  }
  const print = (line: string) => write(stdout, line, isJson)
  return {
    isJson,
    isTerminal,
    print,
    say: (line) => write(stderr, line),
    progress: (line) => isTerminal && stderr.write(`\r\u001B[K${line}`),
    paint: (text, colour) =>
      text && isColoured ? `${MARK}${CODES[colour]}m${text}${MARK}0m` : text,
    table: (rows) => tableOf(rows, widthOf(stdout)).forEach(print),
  }
}

const widthOf = ({ isTTY, columns }: Outlet) => (isTTY ? columns || WIDTH : Infinity)

/** Writes control characters as `\u001b`: events and errors hold what anybody has sent. */
function visible(text: string): string {
  return text.replaceAll(
    /(?![\t\n])[\p{Cc}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Lines up cells; numbers to the right. A line is cut at `width`. */
function tableOf(rows: unknown[][], width: number): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [at, cell] of row.entries())
      widths[at] = Math.max(widths[at] ?? 0, String(cell).length)
  return rows.map((row) => {
    const cells = row.map((cell, at) =>
      typeof cell === 'number'
        ? String(cell).padStart(widths[at] ?? 0)
        : String(cell).padEnd(widths[at] ?? 0),
    )
    return cells.join('  ').trimEnd().slice(0, width)
  })
}

/** Draws how much of something is done. @param part 1 for all of it, or a little more when that was estimated */
export function bar(part: number): string {
  const done = Math.min(1, part)
  const full = Math.round(done * BAR_WIDTH)
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${Math.floor(done * 100)}%`
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
