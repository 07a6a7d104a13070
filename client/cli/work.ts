import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { text } from 'node:stream/consumers'
import { type ClaimedEvent, Nack, Release } from '../index.ts'
import {
  addressOf,
  type Call,
  type Command,
  EXIT,
  numberOf,
  textOf,
  UsageError,
} from './command.ts'
import { jsonOf } from './output.ts'

/** These commands take events and have something work on them. */

const OPTIONS = {
  subscription: { type: 'string' },
  concurrency: { type: 'string' },
  consumer: { type: 'string' },
  limit: { type: 'string' },
  'lease-seconds': { type: 'string' },
  'delay-seconds': { type: 'string' },
} as const

const HELP = `  --subscription NAME   Whose events; inbox unless it is named
  --concurrency N       How many at once; 1 unless it is given
  --consumer NAME       The name of this consumer, for those who look in
  --limit N             Ends after so many events
  --lease-seconds N     After how long others get an event when this consumer dies; 120 unless it is given
  --delay-seconds N     How long an event waits that went wrong; the inbox decides unless it is given

Ctrl-C finishes what is under way and releases the rest; a second one gives all of it back.`

/** A claim that waits holds up the end after a Ctrl-C. */
const WAIT_SECONDS = 5
const FORWARD_TIMEOUT_MS = 30_000

export const consume: Command = {
  usage: "consume --exec 'COMMAND'",
  summary: 'Has a command work on each event: status 0 acks it, any other nacks it',
  help: `  --exec COMMAND        Gets the event as JSON on standard input, and EVENT_ID and EVENT_ATTEMPT in its
                        environment; the last line of its standard error is the reason of a nack
${HELP}`,
  examples: `  event-inbox consume --exec './charge.sh' --subscription billing --concurrency 4
  event-inbox consume --exec 'jq -r .payload.order >> orders.txt' --limit 10`,
  options: { exec: { type: 'string' }, ...OPTIONS },
  kind: 'work',
  async run(call) {
    const command = textOf(call, 'exec')
    if (!command) throw new UsageError('Name what works on events, by --exec.')
    return work(call, (event, signal) => execute(command, event, signal, call.out.isJson))
  },
}

export const listen: Command = {
  usage: 'listen --forward URL',
  summary: 'Posts each event to a server of yours: an answer of 2xx acks it, any other nacks it',
  help: `  --forward URL         Gets a POST with the payload as its body, and the headers webhook-id,
                        webhook-timestamp and event-attempt
${HELP}`,
  examples: '  event-inbox listen --forward http://localhost:3000/hook',
  options: { forward: { type: 'string' }, ...OPTIONS },
  kind: 'work',
  async run(call) {
    const url = addressOf(
      textOf(call, 'forward'),
      'Name the URL of a server by --forward, such as http://localhost:3000/hook',
    )
    return work(call, (event, signal) => forward(url, event, signal))
  },
}

/** Does the work. @returns what is shown of it, such as the status of an answer @throws when it went wrong */
type Work = (event: ClaimedEvent, signal: AbortSignal) => Promise<string>

async function work(call: Call, act: Work): Promise<number> {
  const { inbox, out, stop, kill } = call
  const limit = numberOf(call, 'limit', 1, 1e9) ?? Infinity
  const delaySeconds = numberOf(call, 'delay-seconds', 0, 604_800)
  let begun = 0
  let failed = 0
  await inbox.consume(
    {
      subscription: textOf(call, 'subscription'),
      concurrency: numberOf(call, 'concurrency', 1, 1_000),
      consumer: textOf(call, 'consumer') ?? `${hostname()}-${process.pid}`.slice(0, 128),
      waitSeconds: WAIT_SECONDS,
      leaseSeconds: numberOf(call, 'lease-seconds', 1, 43_200),
      signal: stop.signal,
      onLost: ({ event_id }) => tell(call, { event_id, outcome: 'lost' }),
      onError: ({ message }) => out.say(out.paint(message, 'yellow')),
    },
    async (event, { signal }) => {
      if (begun >= limit) throw new Release()
      if (++begun === limit) stop.abort()
      const startedAt = performance.now()
      const shown = (outcome: string, what: string) => {
        const ms = Math.round(performance.now() - startedAt)
        tell(call, { event_id: event.event_id, attempt: event.attempt, outcome, what, ms })
      }
      try {
        shown('acked', await act(event, AbortSignal.any([signal, kill])))
      } catch (error) {
        // Of an event that was lost, `onLost` has told.
        if (signal.aborted) throw new Release()
        if (kill.aborted) {
          shown('released', 'stopped')
          throw new Release()
        }
        failed++
        const reason = error instanceof Error ? error.message : String(error)
        shown('nacked', reason)
        throw new Nack(reason, delaySeconds === undefined ? {} : { delaySeconds })
      }
    },
  )
  if (!out.isJson) out.say(`${begun} worked on, ${failed} of them nacked`)
  return kill.aborted ? EXIT.KILLED : EXIT.DONE
}

interface Told {
  event_id: string
  attempt?: number
  outcome: string
  what?: string
  ms?: number
}

const COLOURS: Record<string, 'green' | 'red'> = { acked: 'green', nacked: 'red' }

function tell({ out }: Call, told: Told): void {
  if (out.isJson) return out.print(jsonOf(told))
  const { event_id, outcome, what = '', ms } = told
  const time = ms === undefined ? '' : `${ms} ms`
  const state = out.paint(outcome.padEnd(8), COLOURS[outcome] ?? 'yellow')
  out.print(`${state}  ${event_id}  ${what}  ${out.paint(time, 'dim')}`.trimEnd())
}

/**
 * Runs a command in a process group of its own, so that a Ctrl-C at the terminal does not reach it.
 * @param isJson keeps what it prints out of standard output, where only JSON belongs then
 */
async function execute(
  command: string,
  event: ClaimedEvent,
  signal: AbortSignal,
  isJson: boolean,
): Promise<string> {
  const child = spawn(command, {
    shell: true,
    detached: true,
    stdio: ['pipe', isJson ? process.stderr : 'inherit', 'pipe'],
    env: { ...process.env, EVENT_ID: event.event_id, EVENT_ATTEMPT: String(event.attempt) },
  })
  const end = () => {
    try {
      if (child.pid) process.kill(-child.pid)
    } catch {
      // It has ended by itself.
    }
  }
  signal.addEventListener('abort', end)
  try {
    // A command need not read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(`${jsonOf(event)}\n`)
    const [errors, [status, killedBy]] = await Promise.all([
      text(child.stderr),
      once(child, 'close'),
    ])
    process.stderr.write(errors)
    signal.throwIfAborted()
    if (status === 0) return ''
    const last = errors.trim().split('\n').at(-1)
    throw new Error(last || `It ended with ${killedBy ?? `status ${status}`}`)
  } finally {
    signal.removeEventListener('abort', end)
  }
}

async function forward(url: string, event: ClaimedEvent, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    // What it leads to would be asked by GET, without the event.
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(FORWARD_TIMEOUT_MS)]),
    headers: {
      'Content-Type': 'application/json',
      'webhook-id': event.event_id,
      'webhook-timestamp': String(Math.floor(Date.parse(event.created_at) / 1_000)),
      'event-attempt': String(event.attempt),
    },
    body: jsonOf(event.payload),
  }).catch((error: unknown) => {
    const cause = error instanceof Error ? error.cause : undefined
    throw new Error(`No answer: ${cause instanceof Error ? cause.message : String(error)}`)
  })
  await response.body?.cancel()
  if (response.ok) return String(response.status)
  throw new Error(`Answered by ${response.status}`)
}
