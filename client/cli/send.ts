import { createReadStream, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { SendResult } from '../index.ts'
import { type Call, type Command, EXIT, textOf, UsageError } from './command.ts'
import { bar, jsonOf } from './output.ts'

/** So many lines are sent at a time; the library splits them where they are large. */
const LINES = 1_000

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
  run,
}

async function run(call: Call): Promise<number> {
  const { args, out, inbox, values } = call
  const file = textOf(call, 'file')
  if (file !== undefined && args.length > 0)
    throw new UsageError('Name events or a file, not both.')
  if (file === undefined && args.length === 0 && process.stdin.isTTY)
    throw new UsageError('Name an event, or a file by --file, or pipe events in.')
  const counts = { accepted: 0, duplicate: 0, rejected: 0 }
  const size = file === undefined ? 0 : statSync(file).size
  const input = file === undefined ? process.stdin : createReadStream(file)
  let bytes = 0
  const report = () => {
    const done = counts.accepted + counts.duplicate + counts.rejected
    out.progress(size > 0 ? `${bar(bytes / size)} ${done} events` : `${done} events`)
  }
  let number = 0
  for await (const lines of args.length > 0 ? [args] : linesOf(input)) {
    const from = number
    number += lines.length
    const used = lines.flatMap((text, at) => (text.trim() ? [{ text, line: from + at + 1 }] : []))
    const events = used.map(({ text }) => (values.payload ? `{"payload":${text}}` : text))
    if (call.stop.signal.aborted) return interrupted(call, from)
    const results = await inbox.send(events, { signal: call.kill })
    for (const [at, result] of results.entries()) {
      counts[result.status]++
      tell(call, result, used[at]?.line ?? 0)
    }
    bytes += lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
    report()
  }
  out.progress('')
  if (!out.isJson)
    out.print(
      `${counts.accepted} accepted, ${counts.duplicate} duplicates, ${counts.rejected} rejected`,
    )
  return counts.rejected > 0 ? EXIT.REFUSED : EXIT.DONE
}

function interrupted({ out }: Call, lines: number): number {
  out.progress('')
  out.say(`Stopped behind line ${lines}.`)
  return EXIT.KILLED
}

function tell({ out }: Call, result: SendResult, line: number): void {
  if (out.isJson) return out.print(jsonOf({ line, ...result }))
  if (result.status !== 'rejected') return
  out.progress('')
  out.say(`${line}: ${out.paint(result.error.code, 'red')}: ${result.error.detail}`)
}

/** Reads lines, some at a time. */
async function* linesOf(input: NodeJS.ReadableStream): AsyncGenerator<string[]> {
  let lines: string[] = []
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    lines.push(line)
    if (lines.length < LINES) continue
    yield lines
    lines = []
  }
  if (lines.length > 0) yield lines
}
