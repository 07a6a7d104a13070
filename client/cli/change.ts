import { InboxError } from '../index.ts'
import { type Call, type Command, EXIT, textOf, UsageError } from './command.ts'
import { jsonOf } from './output.ts'

/** These commands change events by their ids. */

const HELP = '  --subscription NAME   In this one only; otherwise in all in which it can be done'
const OPTIONS = { subscription: { type: 'string' } } as const

export const ack: Command = {
  usage: 'ack ID …',
  summary: 'Marks events as done',
  help: HELP,
  examples: '  event-inbox ack order-17 order-18',
  options: OPTIONS,
  kind: 'change',
  takesArguments: true,
  run: (call) => change(call, 'ack'),
}

export const retry: Command = {
  usage: 'retry ID …',
  summary: 'Makes failed events pending again',
  help: HELP,
  examples: '  event-inbox list --status failed --json | jq -r .event_id | xargs event-inbox retry',
  options: OPTIONS,
  kind: 'change',
  takesArguments: true,
  run: (call) => change(call, 'retry'),
}

/** Changes one after the other. One that is refused does not keep the others from it. */
async function change(call: Call, verb: 'ack' | 'retry'): Promise<number> {
  const { inbox, args, out, kill: signal } = call
  if (args.length === 0) throw new UsageError('Name an event.')
  let code = EXIT.DONE
  for (const id of args) {
    try {
      const moved = await inbox[verb](id, {
        subscription: textOf(call, 'subscription'),
        signal,
      })
      out.print(out.isJson ? jsonOf(moved) : `${moved.event_id}  ${moved.status}`)
    } catch (error) {
      if (!(error instanceof InboxError) || ![400, 404, 409].includes(error.status)) throw error
      code = EXIT.REFUSED
      if (out.isJson) out.print(jsonOf({ event_id: id, error: error.problem }))
      else out.say(`${id}  ${out.paint(error.message, 'red')}`)
    }
  }
  return code
}
