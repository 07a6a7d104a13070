import type { ParseArgsConfig } from 'node:util'
import type { Inbox } from '../index.ts'
import type { Output } from './output.ts'

/** What a command may be: its words, its options, and what it does. */
export interface Command {
  usage: string
  summary: string
  /** A line an option, as `--help` shows it. */
  help: string
  examples: string
  options: NonNullable<ParseArgsConfig['options']>
  /** @returns the exit code */
  run(call: Call): Promise<number>
}

export interface Call {
  inbox: Inbox
  args: string[]
  values: Record<string, string | boolean | (string | boolean)[] | undefined>
  out: Output
  /** The first Ctrl-C: finish what is under way. */
  stop: AbortController
  /** The second one: give it back. */
  kill: AbortSignal
}

export const EXIT = { DONE: 0, REFUSED: 1, USAGE: 2, UNREACHABLE: 3, FORBIDDEN: 4, KILLED: 130 }

/** The command line is wrong. */
export class UsageError extends Error {}

export function textOf({ values }: Call, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

/** Reads a number. @throws UsageError for what is none, or out of bounds */
export function numberOf(
  call: Call,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = textOf(call, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not "${text}".`)
}
