import { createReadStream, statSync } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import type { SendResult } from '../index.ts'
import { type Call, type Command, EXIT, textOf, UsageError } from './command.ts'
import { type Line, linesOf } from './lines.ts'
import { bar, jsonOf } from './output.ts'

export const send: Command = {
  usage: 'send [EVENT …] [--file FILE] [--payload]',
  summary: 'Sends events: from arguments, a file, or standard input',
  help: `  --file FILE   NDJSON: an event a line
  --payload     Each argument or line is a payload alone, not {"payload": …, "event_id": …}`,
  examples: `  event-inbox send '{"event_id": "order-17", "payload": {"order": 17}}'
  event-inbox send --payload '{"order": 18}' '{"order": 19}'
  event-inbox send --file events.ndjson
  generate | event-inbox send --json`,
  options: { file: { type: 'string' }, payload: { type: 'boolean' } },
  kind: 'change',
  takesArguments: true,
  run,
}

/** Why nothing of a chunk was taken, when nobody there can take anything. */
const SILENT = ['NO_ANSWER', 'UNAVAILABLE', 'UNEXPECTED_ANSWER']

async function run(call: Call): Promise<number> {
  const { args, out, inbox, values, kill } = call
  const file = textOf(call, 'file')
  if (file !== undefined && args.length > 0)
    throw new UsageError('Name events or a file, not both.')
  if (file === undefined && args.length === 0 && process.stdin.isTTY)
    throw new UsageError('Name an event, or a file by --file, or pipe events in.')
  const counts = { accepted: 0, duplicate: 0, rejected: 0 }
  const size = file === undefined ? 0 : statSync(file).size
  let bytes = 0
  let behind = 0
  const report = () => {
    const done = counts.accepted + counts.duplicate + counts.rejected
    out.progress(size > 0 ? `${bar(bytes / size)} ${done} events` : `${done} events`)
  }
  const stopped = () => {
    out.progress('')
    const maybe = kill.aborted ? ' What comes next may have arrived, too.' : ''
    out.say(`Stopped behind line ${behind}.${maybe}`)
  }
  try {
    for await (const lines of chunksOf(call, file)) {
      const used = lines.filter(({ text }) => text.trim())
      const events = used.map(({ text }) => (values.payload ? aroundPayload(text) : text))
      const results = await inbox.send(events, { signal: kill })
      for (const [at, result] of results.entries()) {
        const line = used[at]
        const told = line?.isBroken ? BROKEN : result
        counts[told.status]++
        tell(call, told, line?.number ?? 0)
      }
      if (isSilence(results)) {
        stopped()
        return EXIT.UNREACHABLE
      }
      behind += lines.length
      bytes += lines.reduce((sum, line) => sum + line.bytes, 0)
      report()
    }
  } catch (error) {
    stopped()
    throw error
  }
  out.progress('')
  if (!out.isJson)
    out.print(
      `${counts.accepted} accepted, ${counts.duplicate} duplicates, ${counts.rejected} rejected`,
    )
  return counts.rejected > 0 ? EXIT.REFUSED : EXIT.DONE
}

function chunksOf({ args, kill }: Call, file: string | undefined): AsyncIterable<Line[]> {
  const input = file === undefined ? process.stdin : createReadStream(file)
  if (args.length === 0) return linesOf(addAbortSignal(kill, input))
  const lines = args.map((text, at) => ({ text, number: at + 1, bytes: 0, isBroken: false }))
  return (async function* () {
    yield lines
  })()
}

/** Text that is no JSON is left as it is, and rejected: it could end the payload and go on with other members. */
function aroundPayload(text: string): string {
  try {
    JSON.parse(text)
    return `{"payload":${text}}`
  } catch {
    return text
  }
}

const BROKEN: SendResult = {
  event_id: null,
  status: 'rejected',
  error: { code: 'INVALID_UTF8', detail: 'The line is not valid UTF-8.' },
}

/** Says whether nobody took any of it, so that more would fare no better. */
function isSilence(results: SendResult[]): boolean {
  const codes = results.map((result) => (result.status === 'rejected' ? result.error.code : ''))
  const reached = codes.filter((code) => code !== 'INVALID_JSON')
  return reached.length > 0 && reached.every((code) => SILENT.includes(code))
}

/** What is not there has an id all the same: with that it may be sent again. */
function tell({ out }: Call, result: SendResult, line: number): void {
  if (out.isJson) return out.print(jsonOf({ line, ...result }))
  if (result.status !== 'rejected') return
  const { error, event_id } = result
  out.progress('')
  const id = event_id === null ? '' : ` (${event_id})`
  out.say(`${line}: ${out.paint(error.code, 'red')}: ${error.detail}${id}`)
}
