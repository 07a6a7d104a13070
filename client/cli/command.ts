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
  /** What ends it. Work is stopped first, and then given back; all else is cut off. A look that nobody reads is done. */
  kind: 'look' | 'change' | 'work'
  /** Whether it takes arguments besides its options. */
  takesArguments?: boolean
  /** @returns the exit code */
  run(call: Call): Promise<number>
}

export interface Call {
  inbox: Inbox
  args: string[]
  values: Record<string, string | boolean | (string | boolean)[] | undefined>
  out: Output
  /** Where there is work: finish what is under way. */
  stop: AbortController
  /** Ends the requests, and gives the work back. */
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

/** Reads an address that requests can go to. @param wanted says which one it must be @throws UsageError */
export function addressOf(text: string | undefined, wanted: string): string {
  const {
    protocol = '',
    username = '',
    password = '',
  } = text !== undefined && URL.canParse(text) ? new URL(text) : {}
  // It does not show the text: there may be a password in it.
  if (text === undefined || !/^https?:$/.test(protocol) || username || password)
    throw new UsageError(`${wanted}, without a user and a password.`)
  return text
}
