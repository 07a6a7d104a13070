import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { buildClient, endOf, runnerOf } from '../support/client'
import { fakeInbox, leasing, refused, type Said } from '../support/fake-inbox'

/** What the command line does when it is interrupted, nobody answers or reads, or what it is given is odd. */

let built: ReturnType<typeof buildClient>
beforeAll(() => void (built = buildClient()))
afterAll(() => built.remove())

const linesOf = (output: string) =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Pages of events without end, or until a test has them hang. */
function pages(answer: () => Said | 'usual' = () => 'usual') {
  return fakeInbox(() => {
    const said = answer()
    if (said !== 'usual') return said
    const data = Array.from({ length: 1_000 }, (_, n) => ({ event_id: `e-${n}`, payload: {} }))
    return { body: { data, next_cursor: 'more' } }
  })
}

/** Takes all events. */
const accepting = () =>
  fakeInbox(({ body }) => {
    const events = body as unknown as { event_id?: string }[]
    return { body: { data: events.map(({ event_id }) => ({ event_id, status: 'accepted' })) } }
  })

test('ends a listing without a word when nobody reads on', async () => {
  const { url } = await pages()
  const child = runnerOf(built, url).start(['list', '--all', '--json'])
  child.stdout.once('data', () => child.stdout.destroy())
  expect(await endOf(child).catch(() => null)).toBe(null)
  const [status] = child.exitCode === null ? await once(child, 'close') : [child.exitCode]
  expect(status).toBe(0)
})

test('a first Ctrl-C ends what holds nothing, and its status says so', async () => {
  let left = 1
  const { url, requests } = await pages(() => (left-- > 0 ? 'usual' : undefined))
  const run = runnerOf(built, url)
  for (const [args, count] of [
    [['list', '--all', '--json'], 2],
    [['get', 'a', 'b'], 3],
    [['ack', 'a', 'b'], 4],
    [['metrics'], 5],
    [['send', '{"payload":{}}'], 6],
  ] as const) {
    const child = run.start([...args])
    child.stdin.end()
    const ended = endOf(child)
    await expect.poll(() => requests.length).toBe(count)
    child.kill('SIGINT')
    expect([args, (await ended).status]).toEqual([args, 130])
  }
})

test('a consumer whose output nobody reads gives back what it has not begun', async () => {
  for (const end of ['pipe', 'SIGHUP'] as const) {
    const { url, asked } = await fakeInbox(leasing(['a', 'b', 'c', 'd']))
    const child = runnerOf(built, url).start(['consume', '--exec', 'sleep 0.2'])
    if (end === 'pipe') child.stdout.destroy()
    else child.stdout.once('data', () => child.kill(end))
    const [status] = await once(child, 'exit')
    expect(status).toBe(0)
    const settled = asked(/settle/).flatMap(({ body }) => [body.ack, body.release].flat())
    const claimed = asked(/claim/).length
    // The last claim may have come to nothing.
    expect([claimed, claimed - 1]).toContain(settled.length)
    expect(claimed).toBeLessThan(4)
  }
})

test('a redirect is no success: nobody worked on the event', async () => {
  const hook = createServer((request, response) => {
    response.writeHead(request.url === '/login' ? 200 : 302, { Location: '/login' }).end()
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  onTestFinished(() => void hook.close())
  const address = hook.address()
  const to = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/hook`
  const { url, asked } = await fakeInbox(leasing(['a']))
  const { output } = await runnerOf(built, url)(['listen', '--forward', to, '--limit', '1'])
  expect(output).toMatch(/^nacked {4}a {2}Answered by 302 /)
  const error = 'Answered by 302'
  expect(asked(/settle/).map(({ body }) => body.nack)).toEqual([[{ event_id: 'a', error }]])
})

test('keeps what a command prints out of its JSON', async () => {
  const { url } = await fakeInbox(leasing(['a']))
  const consume = ['consume', '--exec', 'echo hello', '--limit', '1', '--json']
  const { output, errors } = await runnerOf(built, url)(consume)
  expect(linesOf(output)).toMatchObject([{ event_id: 'a', outcome: 'acked' }])
  expect(errors).toBe('hello\n')
})

test('tells once of an event that is lost', async () => {
  const { url } = await fakeInbox(
    leasing(['a'], ({ path }) => (path.endsWith('/extend') ? refused(409, 'LEASE_LOST') : 'usual')),
  )
  const flags = ['--limit', '1', '--lease-seconds', '1']
  const { output } = await runnerOf(built, url)(['consume', '--exec', 'sleep 30', ...flags])
  expect(output).toBe('lost      a\n')
})

test('stops when nobody takes anything, and names the ids to send it again by', async () => {
  const { url, requests } = await fakeInbox(() => ({ status: 503, body: '' }))
  const events = Array.from({ length: 1_500 }, () => '{"payload":{}}').join('\n')
  const child = runnerOf(built, url).start(['send'])
  // More could come at any time.
  child.stdin.write(`${events}\n`)
  const { status, errors, output } = await endOf(child)
  expect([status, output]).toEqual([3, ''])
  expect(errors).toMatch(/^1: UNEXPECTED_ANSWER: .* \([0-9a-f-]{36}\)\n/)
  expect(errors).toMatch(/\nStopped behind line 0\.\n$/)
  expect(errors).not.toContain('1001:')
  const [first] = Object.values(requests[0]?.body ?? {})
  expect(first).toEqual({ payload: {}, event_id: expect.any(String) })
  expect(errors).toContain(`(${Reflect.get(first as object, 'event_id')})`)
})

test('sends lines as they come', async () => {
  const { url, requests } = await accepting()
  const child = runnerOf(built, url).start(['send', '--json'])
  const ended = endOf(child)
  child.stdin.write('{"event_id":"one","payload":{}}\n{"event_id":"two",')
  await expect.poll(() => requests.length).toBe(1)
  child.stdin.write('"payload":{}}\r\n')
  await expect.poll(() => requests.length).toBe(2)
  child.stdin.end('{"event_id":"three","payload":{}}')
  const { output, status } = await ended
  expect(linesOf(output)).toMatchObject([
    { line: 1, event_id: 'one' },
    { line: 2, event_id: 'two' },
    { line: 3, event_id: 'three' },
  ])
  expect(status).toBe(0)
})

test('sends no bytes that are no UTF-8, and takes a byte order mark', async () => {
  const { url, requests } = await accepting()
  const input = Buffer.concat([
    Buffer.from('\uFEFF{"payload":{"n":1}}\n{"payload":{"n":"'),
    Buffer.from([0xff]),
    Buffer.from('"}}\n{"payload":{"n":3}}\n'),
  ])
  const { errors, output, status } = await runnerOf(built, url)(['send'], input)
  expect([output, status]).toEqual(['2 accepted, 0 duplicates, 1 rejected\n', 1])
  expect(errors).toBe('2: INVALID_UTF8: The line is not valid UTF-8.\n')
  expect(requests[0]?.body).toMatchObject([{ payload: { n: 1 } }, { payload: { n: 3 } }])
})

test('a payload cannot go on with members of the event', async () => {
  const { url, requests } = await accepting()
  const payload = '{"a":1},"event_id":"x"'
  const { errors, status } = await runnerOf(built, url)(['send', '--payload', payload])
  expect([status, errors]).toEqual([1, expect.stringMatching(/^1: INVALID_JSON: /)])
  expect(requests).toEqual([])
})
