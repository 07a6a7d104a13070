import type { Filter, InboxEvent } from '../index.ts'
import { type Call, type Command, EXIT, numberOf, textOf, UsageError } from './command.ts'
import { jsonOf } from './output.ts'

/** These commands look in, and change nothing. */

export const list: Command = {
  usage: 'list [payload.KEY=VALUE …]',
  summary: 'Lists events, newest first',
  help: `  --status STATUS   pending, delivered, failed, or several with commas
  --from, --to      A date, or a time with its offset
  --sort, --order   created_at, event_id, updated_at or retry_count; desc or asc
  --limit N         How many at most; 50 unless it is given
  --all             All there are`,
  examples: `  event-inbox list --status failed
  event-inbox list payload.order=17 metadata.source=shop
  event-inbox list --all --json > events.ndjson`,
  options: {
    status: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    sort: { type: 'string' },
    order: { type: 'string' },
    limit: { type: 'string' },
    all: { type: 'boolean' },
  },
  kind: 'look',
  takesArguments: true,
  async run(call) {
    const { inbox, out, values, kill: signal } = call
    const limit = values.all ? Infinity : (numberOf(call, 'limit', 1, 1e9) ?? 50)
    const rows: unknown[][] = []
    const show = () => out.table(rows.splice(0))
    let count = 0
    const filter = { ...filterOf(call), limit: Math.min(limit, 1_000) }
    for await (const event of inbox.all(filter, { signal })) {
      signal.throwIfAborted()
      if (out.isJson) out.print(jsonOf(event))
      else rows.push(rowOf(event))
      if (rows.length === 1_000) show()
      if (++count === limit) break
    }
    show()
    return EXIT.DONE
  },
}

function filterOf(call: Call): Filter {
  const filter: Record<string, string> = {}
  for (const arg of call.args) {
    const [, name, value] = /^((?:payload|metadata)\.[^=]+)=(.*)$/s.exec(arg) ?? []
    if (!name || value === undefined)
      throw new UsageError(`A filter is payload.KEY=VALUE or metadata.KEY=VALUE, not "${arg}".`)
    filter[name] = value
  }
  // The inbox says which of them are wrong.
  const given = ['status', 'from', 'to', 'sort', 'order'].map((name) => [name, textOf(call, name)])
  return { ...Object.fromEntries(given), filter }
}

const rowOf = ({ created_at, status, retry_count, event_id, payload }: InboxEvent) => [
  created_at,
  status,
  retry_count,
  event_id,
  jsonOf(payload),
]

export const get: Command = {
  usage: 'get ID …',
  summary: 'Shows events',
  help: '  --timeline   With what happened to each, when, by whom and why',
  examples: '  event-inbox get order-17 --timeline',
  options: { timeline: { type: 'boolean' } },
  kind: 'look',
  takesArguments: true,
  async run({ inbox, out, args, values, kill: signal }) {
    if (args.length === 0) throw new UsageError('Name an event.')
    for (const id of args) {
      const event = values.timeline
        ? await inbox.timeline(id, { signal })
        : await inbox.get(id, { signal })
      out.print(jsonOf(event, out.isJson ? undefined : 2))
    }
    return EXIT.DONE
  },
}

export const metrics: Command = {
  usage: 'metrics',
  summary: 'Shows what there is, and how fast it goes',
  help: '',
  examples: `  event-inbox metrics
  event-inbox metrics --json | jq .queue_depth`,
  options: {},
  kind: 'look',
  async run({ inbox, out, kill: signal }) {
    const counts = await inbox.metrics({ signal })
    if (out.isJson) {
      out.print(jsonOf(counts))
      return EXIT.DONE
    }
    const { per_minute: _, sources, subscriptions, ...plain } = counts
    out.table(Object.entries(plain).map(([name, value]) => [name, value ?? '–']))
    for (const rows of [sources, subscriptions]) {
      const [first] = rows
      if (!first) continue
      out.print('')
      out.table([Object.keys(first), ...rows.map((row) => Object.values(row).map((x) => x ?? '–'))])
    }
    return EXIT.DONE
  },
}

export const verify: Command = {
  usage: 'verify',
  summary: 'Counts every event anew; exit code 1 when a count differs',
  help: '',
  examples: '  event-inbox verify || page-somebody',
  options: {},
  kind: 'look',
  async run({ inbox, out, kill }) {
    const found = await inbox.metrics({ verify: true, signal: kill })
    const { verified, differences = [], behind = [], moving = [], resent_dead_letters } = found
    if (out.isJson)
      out.print(jsonOf({ verified, differences, behind, moving, resent_dead_letters }))
    else {
      for (const each of differences) out.print(Object.values(each).join('  '))
      const left = behind.length + moving.length
      const rest = left > 0 ? `; ${left} periods could not be compared, as they change` : ''
      out.print(
        verified
          ? `${out.paint('All counts agree', 'green')}${rest}`
          : `${out.paint(`${differences.length} differences`, 'red')}${rest}`,
      )
    }
    return verified ? EXIT.DONE : EXIT.REFUSED
  },
}
