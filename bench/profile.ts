/**
 * Shows where the inbox's time goes: a CPU profile of its isolate under load.
 * Worker and shards share the isolate; D1 and the runtime's own workers are in `(idle)`. It makes single posts, or
 * batches with `-- --batch 100`; with `-- --consume 20000` it claims and settles so many events in hundreds.
 */
import type { Profiler } from 'node:inspector'
import { parseArgs } from 'node:util'
import { workOff } from './consumers.ts'
import { INBOX_OPTIONS, load, start, withSchema } from './runtime.ts'
import { batchOf, drained, EVENT, fill } from './workload.ts'

const SECONDS = 6
const { values: flags } = parseArgs({
  options: { batch: { type: 'string' }, consume: { type: 'string' } },
})
const BODY = flags.batch ? batchOf(Number(flags.batch)) : EVENT

const { assets: _, ...options } = INBOX_OPTIONS
const inbox = await withSchema(await start('inbox', 'worker.ts', options, true))
const inspector = await inbox.miniflare.getInspectorURL()
const socket = new WebSocket(new URL('/core:user:inbox', inspector).href)
await new Promise((opened) => socket.addEventListener('open', opened))
let calls = 0
function ask<Result>(method: string, params = {}): Promise<Result> {
  const id = ++calls
  const { promise, resolve } = Promise.withResolvers<Result>()
  socket.addEventListener('message', function answered({ data }) {
    const message = JSON.parse(String(data))
    if (message.id !== id) return
    socket.removeEventListener('message', answered)
    resolve(message.result)
  })
  socket.send(JSON.stringify({ id, method, params }))
  return promise
}

if (flags.consume) {
  await fill(inbox, Number(flags.consume), 100)
  await drained(inbox)
} else await load(inbox.url, BODY, SECONDS)
await ask('Profiler.enable')
await ask('Profiler.setSamplingInterval', { interval: 200 })
await ask('Profiler.start')
const answered = flags.consume ? await consume() : (await load(inbox.url, BODY, SECONDS)).answered
const { profile } = await ask<Profiler.StopReturnType>('Profiler.stop')

/** Works everything off. @returns how many claims and settles that took */
async function consume(): Promise<number> {
  console.log(`${(await workOff(inbox, 4)).toFixed(0)} events a second`)
  return Number(flags.consume) / 50
}

const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
const parents = new Map(
  profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
)
const self = new Map<string, number>()
const total = new Map<string, number>()
for (const [index, sample] of (profile.samples ?? []).entries()) {
  const microseconds = (profile.timeDeltas?.[index] ?? 0) / answered
  const stack = new Set<string>()
  for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
    const frame = nodes.get(id)?.callFrame
    stack.add(`${frame?.functionName || '(anonymous)'}:${(frame?.lineNumber ?? 0) + 1}`)
  }
  const [top = ''] = stack
  self.set(top, (self.get(top) ?? 0) + microseconds)
  for (const each of stack) total.set(each, (total.get(each) ?? 0) + microseconds)
}
for (const [name, times] of Object.entries({ self, 'with what it calls': total })) {
  console.log(`\nMicroseconds a request, ${name}`)
  for (const [what, time] of [...times].toSorted((a, b) => b[1] - a[1]).slice(0, 30))
    console.log(time.toFixed(1).padStart(8), what)
}
socket.close()
await inbox.stop()
