import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished } from 'vitest'
import { buildClient, runnerOf } from '../support/client'
import { type Inbox, test as base } from '../support/world'

const NAMES = ['exec', 'parallel', 'hook', 'wait']
const test = base
  .override('vars', {
    SUBSCRIPTIONS: JSON.stringify(
      NAMES.map((name) => ({ name, filter: { 'payload.for': name }, retry_seconds: [600] })),
    ),
  })
  .extend('built', { scope: 'file' }, async ({ server }, { onCleanup }) => {
    await server.listen()
    const built = buildClient()
    onCleanup(built.remove)
    return built
  })
  .extend('run', { scope: 'file' }, async ({ built, inbox }) => runnerOf(built, inbox.url))

const lines = (output: string) =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

const fateOf = async (inbox: Inbox, id: string) => (await inbox.story(id)).timeline.at(-1)

test('sends events from arguments', async ({ inbox, run }) => {
  const event = '{"event_id": "arg-1", "payload": {"n": 12345678901234567890}}'
  const { output, status, errors } = await run(['send', event, '{"payload": {"n": 2}}'])
  expect([output, errors, status]).toEqual(['2 accepted, 0 duplicates, 0 rejected\n', '', 0])
  expect((await inbox.get('/inbox/arg-1')).text).toContain('12345678901234567890')
  const again = await run(['send', event, '--json'])
  expect([lines(again.output), again.status]).toEqual([
    [expect.objectContaining({ line: 1, event_id: 'arg-1', status: 'duplicate' })],
    0,
  ])
  const plain = await run(['send', '--payload', '{"plain": 17}', '--json'])
  const [{ event_id }] = lines(plain.output)
  expect((await inbox.event(event_id)).payload).toEqual({ plain: 17 })
})

test('sends events from a file and from standard input, and names the lines that are refused', async ({
  built,
  run,
}) => {
  const events = Array.from({ length: 2_100 }, (_, n) => `{"payload":{"file":true,"n":${n}}}`)
  writeFileSync(join(built.folder, 'events.ndjson'), `${events.join('\n')}\n\n`)
  const file = await run(['send', '--file', 'events.ndjson'])
  expect(file).toEqual({
    output: '2100 accepted, 0 duplicates, 0 rejected\n',
    errors: '',
    status: 0,
  })
  const input = `${events[0]}\n\n{"payload": 1}\n{"payload":`
  const piped = await run(['send'], input)
  expect([piped.output, piped.status]).toEqual(['1 accepted, 0 duplicates, 2 rejected\n', 1])
  expect(piped.errors).toMatch(/^3: INVALID_EVENT: .*\n4: INVALID_JSON: .*\n$/)
  const missing = await run(['send', '--file', 'nothing.ndjson'])
  expect([missing.status, missing.errors]).toEqual([1, expect.stringContaining('ENOENT')])
})

test('has a command work on each event', async ({ built, inbox, run }) => {
  const events = [1, 2, 3].map((n) => ({ event_id: `exec-${n}`, payload: { for: 'exec', n } }))
  await inbox.post(events)
  const command =
    'cat >> seen.ndjson; [ "$EVENT_ID" != exec-2 ] || { echo first >&2; echo "no money" >&2; exit 3; }'
  const flags = ['--subscription', 'exec', '--limit', '3', '--consumer', 'me']
  const { output, errors, status } = await run(['consume', '--exec', command, ...flags])
  expect(status).toBe(0)
  expect(output).toMatch(/^acked {5}exec-1 .*\d+ ms$/m)
  expect(output).toMatch(/^nacked {4}exec-2 {2}no money {2}\d+ ms$/m)
  expect(errors).toBe('first\nno money\n3 worked on, 1 of them nacked\n')
  const seen = lines(readFileSync(join(built.folder, 'seen.ndjson'), 'utf8'))
  expect(seen.map(({ event_id }) => event_id).toSorted()).toEqual(['exec-1', 'exec-2', 'exec-3'])
  expect(seen[0]).toMatchObject({ attempt: 1, payload: { for: 'exec' } })
  expect(await fateOf(inbox, 'exec-2')).toMatchObject({ what: 'nacked', why: 'no money' })
  expect(await fateOf(inbox, 'exec-1')).toMatchObject({ what: 'acked', consumer: 'me' })
})

test('works on several events at once, and ends after as many as it was told', async ({
  inbox,
  run,
}) => {
  const events = Array.from({ length: 6 }, (_, n) => ({
    event_id: `parallel-${n}`,
    payload: { for: 'parallel' },
  }))
  await inbox.post(events)
  const flags = ['--subscription', 'parallel', '--concurrency', '4', '--limit', '5', '--json']
  const { output } = await run(['consume', '--exec', 'true', ...flags])
  const told = lines(output)
  expect(told).toHaveLength(5)
  expect(told[0]).toEqual({
    event_id: expect.any(String),
    attempt: 1,
    outcome: 'acked',
    what: '',
    ms: expect.any(Number),
  })
  expect(await inbox.subscription('parallel')).toMatchObject({ open: 1, ready: 1, leased: 0 })
})

test('delivers events to a server, and shows how each was answered', async ({ inbox, run }) => {
  const got: unknown[] = []
  const hook = createServer((request, response) => {
    void text(request).then((body) => {
      got.push([request.headers['webhook-id'], request.headers['event-attempt'], body])
      response.statusCode = body.includes('bad') ? 500 : 204
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  onTestFinished(() => void hook.close())
  const address = hook.address()
  const port = typeof address === 'object' ? address?.port : 0
  await inbox.post({ event_id: 'hook-1', payload: { for: 'hook', n: 1 } })
  await inbox.post('{"event_id": "hook-2", "payload": {"for": "hook", "is": "bad", "n": 1.0}}')
  const forward = ['listen', '--forward', `http://127.0.0.1:${port}/hook`]
  const { output } = await run([...forward, '--subscription', 'hook', '--limit', '2'])
  expect(output).toMatch(/^acked {5}hook-1 {2}204 {2}\d+ ms$/m)
  expect(output).toMatch(/^nacked {4}hook-2 {2}Answered by 500 {2}\d+ ms$/m)
  expect(got.toSorted()).toEqual([
    ['hook-1', '1', '{"for":"hook","n":1}'],
    ['hook-2', '1', '{"for":"hook","is":"bad","n":1.0}'],
  ])
})

test('a first Ctrl-C waits for what is under way, and an idle consumer ends at once', async ({
  inbox,
  run,
}) => {
  const consume = ['consume', '--subscription', 'wait', '--exec']
  const idle = run.start([...consume, 'true'])
  await expect.poll(async () => (await inbox.subscription('wait')).waiting).toBe(1)
  idle.kill('SIGINT')
  expect(await once(idle, 'exit')).toEqual([0, null])
  await inbox.post({ event_id: 'wait-1', payload: { for: 'wait' } })
  const busy = run.start([...consume, 'echo begun; sleep 1.5'])
  await once(busy.stdout, 'data')
  busy.kill('SIGINT')
  expect(await once(busy, 'exit')).toEqual([0, null])
  expect(await fateOf(inbox, 'wait-1')).toMatchObject({ what: 'acked' })
})

test('lists, shows, acks and retries events', async ({ inbox, run }) => {
  await inbox.post({
    event_id: 'seen',
    payload: { mark: 'x', n: 12345678901234567890n.toString() },
  })
  const list = await run(['list', 'payload.mark=x', '--status', 'pending'])
  expect(list.output).toMatch(/^\S+Z {2}pending {2}0 {2}seen {2}\{"mark":"x".*\}\n$/)
  const asJson = await run(['list', 'payload.mark=x', '--json'])
  expect(lines(asJson.output)).toMatchObject([{ event_id: 'seen', status: 'pending' }])
  expect(lines((await run(['list', '--all', '--json'])).output).length).toBeGreaterThan(2_000)
  expect(lines((await run(['list', '--limit', '3', '--json'])).output)).toHaveLength(3)
  expect(JSON.parse((await run(['get', 'seen'])).output)).toMatchObject({ event_id: 'seen' })
  const ack = await run(['ack', 'seen', 'nobody'])
  expect([ack.output, ack.status]).toEqual(['seen  delivered\n', 1])
  expect(ack.errors).toContain('nobody  EVENT_NOT_FOUND')
  expect((await run(['ack', 'seen'])).status).toBe(1)
  const [told] = lines((await run(['get', 'seen', '--timeline', '--json'])).output)
  expect(told.timeline).toHaveLength(2)
  const id = await inbox.postId('failing')
  for (let n = 0; n < 3; n++) await inbox.nack(id)
  expect((await run(['retry', id])).output).toBe('failing  pending\n')
  expect((await run(['get', 'nobody'])).status).toBe(1)
})

test('shows the metrics, and verifies them', async ({ inbox, run }) => {
  await inbox.drained()
  const { output, status } = await run(['metrics'])
  expect(status).toBe(0)
  expect(output).toMatch(/^pending +\d+$/m)
  expect(output).toMatch(/^name +open +ready +leased +scheduled +oldest_ready_seconds /m)
  expect(output).toMatch(/^exec +1 +0 +0 +1 +0 /m)
  expect(JSON.parse((await run(['metrics', '--json'])).output)).toMatchObject({ queue_depth: 0 })
  const good = await run(['verify'])
  expect([good.status, good.output]).toEqual([0, expect.stringContaining('All counts agree')])
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'arg-1'")
  const bad = await run(['verify'])
  expect([bad.status, bad.output]).toEqual([1, expect.stringContaining('differences')])
  expect(JSON.parse((await run(['verify', '--json'])).output)).toMatchObject({ verified: false })
})

test('says what is wrong, each by an exit code of its own', async ({ inbox, run }) => {
  for (const [args, status, words] of [
    [['sned'], 2, 'There is no command "sned"'],
    [[], 2, 'Usage: event-inbox COMMAND'],
    [['list', '--nothing'], 2, "Unknown option '--nothing'"],
    [['list', '--limit', '0'], 2, '--limit must be a whole number'],
    [['list', 'order=17'], 2, 'A filter is payload.KEY=VALUE'],
    [['list', 'status=failed'], 2, 'A filter is payload.KEY=VALUE'],
    [['get', ''], 1, 'INVALID_PARAMETER'],
    [['consume'], 2, '--exec'],
    [['consume', '--exec', 'bash', './worker.sh'], 2, "argument './worker.sh'"],
    [['metrics', 'now'], 2, "argument 'now'"],
    [['listen', '--forward', 'here'], 2, '--forward, such as http://localhost:3000/hook'],
    [['listen', '--forward', 'localhost:3000/hook'], 2, 'such as http://localhost:3000/hook'],
    [['listen', '--forward', 'http://me:you@localhost:3000'], 2, 'without a user'],
    [['send', '{}', '--file', 'events.ndjson'], 2, 'not both'],
    [['get'], 2, 'Name an event'],
    [['metrics', '--token', 'wrong'], 4, 'UNAUTHORIZED'],
    [['metrics', '--url', 'localhost:8787'], 2, 'such as http://localhost:8787'],
    [['metrics', '--url', 'http://localhost/?a'], 2, 'url must be'],
    [['metrics', '--token', 'sécret'], 2, 'token must be'],
    [['consume', '--exec', 'true', '--subscription', 'nobody'], 1, 'SUBSCRIPTION_NOT_FOUND'],
  ] as const) {
    const found = await run([...args])
    expect([args, found.status]).toEqual([args, status])
    expect(found.errors).toContain(words)
    expect(found.output).toBe('')
  }
  const without = await run(['metrics'], '', { EVENT_INBOX_TOKEN: '' })
  expect([without.status, without.errors]).toEqual([2, expect.stringContaining('TOKEN')])
  const away = await run(['ack', 'a'], '', { EVENT_INBOX_URL: 'http://127.0.0.1:9' })
  expect([away.status, away.errors]).toEqual([3, expect.stringContaining('NO_ANSWER')])
  expect(inbox.url).toBeDefined()
})

test('helps with each command', async ({ run }) => {
  const { output, status } = await run(['--help'])
  expect(status).toBe(0)
  const names = [...output.matchAll(/^ {2}([a-z]+) {2,}[A-Z]/gm)].map(([, name = '']) => name)
  expect(names).toEqual('send consume listen list get ack retry metrics verify'.split(' '))
  for (const name of names) {
    const help = await run([name, '--help'])
    expect(help.status).toBe(0)
    expect(help.output).toContain(`Usage: event-inbox ${name}`)
    expect(help.output).toMatch(/Examples:\n {2}\S/)
    expect(Math.max(...help.output.split('\n').map(({ length }) => length))).toBeLessThan(115)
  }
})
