#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { Inbox, InboxError } from '../index.ts'
import { ack, retry } from './change.ts'
import { addressOf, type Command, EXIT, UsageError } from './command.ts'
import { get, list, metrics, verify } from './look.ts'
import { type Output, outputOf, parseExactly } from './output.ts'
import { send } from './send.ts'
import { consume, listen } from './work.ts'

const COMMANDS: Record<string, Command> = {
  send,
  consume,
  listen,
  list,
  get,
  ack,
  retry,
  metrics,
  verify,
}

const COMMON = {
  url: { type: 'string' },
  token: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const COMMON_HELP = `  --url URL             Where the inbox is; EVENT_INBOX_URL, or http://localhost:8787
  --token TOKEN         EVENT_INBOX_TOKEN unless it is given, which keeps it out of the list of processes
  --json                JSON on standard output, a line each
  -h, --help            This`

const EXIT_HELP = `Exit codes:
  0    Done
  1    Something was refused: an event, a request; or verify found a difference
  2    The command line is wrong
  3    The inbox does not answer
  4    The token is missing, not known, or may not do this
  130  Stopped by Ctrl-C before it was done`

async function main([name = '', ...rest]: string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    const isAsked = ['help', '--help', '-h'].includes(name)
    if (name && !isAsked) console.error(`There is no command "${name}".\n`)
    ;(isAsked ? console.log : console.error)(overview())
    return isAsked ? EXIT.DONE : EXIT.USAGE
  }
  try {
    return await run(command, rest)
  } catch (error) {
    return failed(error, name)
  }
}

async function run(command: Command, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { ...command.options, ...COMMON },
    // A second word of a command that is not in quotes would be lost otherwise.
    allowPositionals: command.takesArguments ?? false,
  })
  if (values.help) {
    console.log(helpOf(command))
    return EXIT.DONE
  }
  const url = addressOf(
    values.url ?? process.env.EVENT_INBOX_URL ?? 'http://localhost:8787',
    'The URL of the inbox must be such as http://localhost:8787',
  )
  const token = values.token ?? process.env.EVENT_INBOX_TOKEN
  if (!token) throw new UsageError('Name the token by EVENT_INBOX_TOKEN, or by --token.')
  const inbox = inboxAt(url, token)
  const out = outputOf(Boolean(values.json))
  const { stop, kill } = endings(command, out)
  try {
    return await command.run({ inbox, args: positionals, values, out, stop, kill: kill.signal })
  } catch (error) {
    if (!kill.signal.aborted) throw error
    const isUnread = isHangUp(kill.signal.reason)
    return isUnread && command.kind === 'look' ? EXIT.DONE : EXIT.KILLED
  }
}

function inboxAt(url: string, token: string): Inbox {
  try {
    return new Inbox({ url, token, parse: parseExactly })
  } catch (error) {
    throw new UsageError(error instanceof Error ? `The ${error.message}.` : String(error))
  }
}

/** Has signals, and a standard output that takes no more, end the command. */
function endings({ kind }: Command, out: Output): { stop: AbortController; kill: AbortController } {
  const stop = new AbortController()
  const kill = new AbortController()
  let asked = 0
  const end = (reason?: unknown) => {
    stop.abort()
    if (kind !== 'work' || asked++ > 0) return kill.abort(reason)
    if (out.isTerminal) out.say('\nFinishing what is under way. Ctrl-C again gives it back.')
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => (kill.signal.aborted ? process.exit(EXIT.KILLED) : end()))
  process.stdout.once('error', (error) => {
    if (!isHangUp(error)) {
      out.say(error.message)
      process.exitCode = EXIT.REFUSED
    }
    end(error)
  })
  return { stop, kill }
}

/** Says whether nobody reads any more: `head` has enough, or the terminal is closed. */
const isHangUp = (error: unknown) =>
  error instanceof Error && ['EPIPE', 'EIO'].includes(String(Reflect.get(error, 'code')))

function failed(error: unknown, name: string): number {
  const { say } = outputOf(false)
  if (error instanceof UsageError || isArgumentError(error)) {
    say(`${error.message}\nSee: event-inbox ${name} --help`)
    return EXIT.USAGE
  }
  if (!(error instanceof InboxError)) {
    say(error instanceof Error ? error.message : String(error))
    return EXIT.REFUSED
  }
  const { status, message, correlationId } = error
  say(correlationId ? `${message} (${correlationId})` : message)
  if (status === 401 || status === 403) return EXIT.FORBIDDEN
  return status === 0 || status === 429 || status >= 500 ? EXIT.UNREACHABLE : EXIT.REFUSED
}

const isArgumentError = (error: unknown): error is Error =>
  error instanceof Error && String(Reflect.get(error, 'code') ?? '').startsWith('ERR_PARSE_ARGS')

function overview(): string {
  const rows = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(9)} ${summary}`,
  )
  return `Usage: event-inbox COMMAND [OPTIONS]

${rows.join('\n')}

${COMMON_HELP}

${EXIT_HELP}

event-inbox COMMAND --help shows options and examples.`
}

function helpOf({ usage, summary, help, examples }: Command): string {
  return `Usage: event-inbox ${usage} [OPTIONS]

${summary}.

${help ? `${help}\n\n` : ''}${COMMON_HELP}

Examples:
${examples}

${EXIT_HELP}`
}

// Who does not read any more, and a terminal that is closed, are no reason to crash.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
const code = await main(process.argv.slice(2))
process.exitCode ||= code
