import { connect } from 'node:net'
import fc from 'fast-check'
import { expect } from 'vitest'
import { bytes, type HostileRequest, hostileRequest } from '../support/hostile'
import { type Inbox, inParallel, test } from '../support/world'

const REQUESTS = 2_400
const BROKEN = 60

interface Answer {
  status: number
  /** The status line and the headers. */
  head: string
  text: string
}

/** Sends a request as raw bytes, so that no client tidies it up. Undefined when the server hangs up without a word. */
function send(
  inbox: Inbox,
  { method, path: target, headers: all, body: content }: HostileRequest,
): Promise<Answer | undefined> {
  const lines = Object.entries({
    ...all,
    host: inbox.url.host,
    connection: 'close',
    'content-length': String(content.byteLength),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return exchange(inbox, [head, content])
}

function exchange(inbox: Inbox, parts: Uint8Array[], hangUp = false): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(inbox.url.port), inbox.url.hostname)
    let received = ''
    socket.setTimeout(20_000, () => {
      socket.destroy()
      reject(new Error(`no answer to ${Buffer.concat(parts).toString('latin1').slice(0, 500)}`))
    })
    socket.on('data', (chunk) => (received += chunk.toString('utf8')))
    socket.on('error', () => {})
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1]
      const end = received.indexOf('\r\n\r\n')
      resolve(
        status
          ? { status: Number(status), head: received.slice(0, end), text: received.slice(end + 4) }
          : undefined,
      )
    })
    for (const part of parts) socket.write(part)
    if (hangUp) socket.write('', () => socket.destroy())
  })
}

function postHead({ url }: Inbox, ...headers: string[]): string {
  const common = [
    `Host: ${url.host}`,
    'Authorization: Bearer dev-token',
    'Content-Type: application/json',
  ]
  return ['POST /events HTTP/1.1', ...common, ...headers, '', ''].join('\r\n')
}

interface Accepted {
  status: string
  event_id: string
}

test(`${REQUESTS} hostile requests meet no 5xx, hang or stack trace; what is accepted reads back, and is all`, async ({
  inbox,
}) => {
  const tally = new Map<string, number>()
  /** A form's payload is an object of its fields, and none of the sender's own text. */
  const accepted: { id: string; body: string; isForm: boolean }[] = []
  /** Some random DELETE names an id that is there. */
  const deleted = new Set<string>()
  let replays = 0
  // Some are sent again, as a client does that lost the answer.
  const requests = fc
    .sample(hostileRequest, REQUESTS)
    .flatMap((each, n) => (n % 5 === 0 ? [each, each] : [each]))
  await inParallel(requests.length, 16, async (n) => {
    const each = requests[n]
    if (!each) return
    const answer = await send(inbox, each)
    const name = String(answer?.status ?? 'hung up')
    tally.set(name, (tally.get(name) ?? 0) + 1)
    const sent = Buffer.from(each.body).toString('latin1')
    const told = `${each.method} ${each.path} ${JSON.stringify(each.headers)} ${sent}\n${answer?.text}`
    if (answer && answer.status >= 500) throw new Error(told)
    if (/\n\s+at |\.ts:\d|node_modules|SQLITE/.test(answer?.text ?? '')) throw new Error(told)
    if (each.method === 'DELETE' && answer?.status === 200)
      deleted.add(JSON.parse(/\{.*\}/s.exec(answer.text)?.[0] ?? '').data.event_id)
    if (each.path !== '/events' || (answer?.status !== 202 && answer?.status !== 207)) return
    const { data }: { data: Accepted | Accepted[] } = JSON.parse(
      /\{.*\}/s.exec(answer.text)?.[0] ?? '',
    )
    const isReplayed = /^idempotency-replayed: true$/im.test(answer.head)
    if (isReplayed) replays++
    for (const result of [data].flat())
      if (result.status === 'accepted' && !isReplayed)
        accepted.push({
          id: result.event_id,
          body: Buffer.from(each.plain).toString('utf8'),
          isForm: each.headers['content-type']?.includes('form') ?? false,
        })
  })
  const ids = new Set(accepted.map(({ id }) => id))
  await inbox.drained()
  await inbox.expectVerified()
  const held = await inbox.rows()
  for (const { event_id } of held) expect(ids).toContain(event_id)
  const byId = new Map(held.map((row) => [row.event_id, row]))
  expect([...ids].filter((id) => !byId.has(id) && !deleted.has(id))).toEqual([])
  const times = Map.groupBy(accepted, ({ id }) => id)
  expect([...ids].filter((id) => times.get(id)?.length !== 1 && !deleted.has(id))).toEqual([])
  for (const { id, body: sent, isForm } of accepted) {
    const payload = byId.get(id)?.payload
    // Of one that was deleted, and accepted anew, either body may be there.
    if (payload === undefined || deleted.has(id)) continue
    const { text: listed } = await inbox.get(`/inbox/${id}`)
    expect(listed).toContain(`"payload":${payload},`)
    // Text or bytes that were no JSON stand in it as a JSON string; all else is the sender's own text.
    const source = /^\{"data":(.*)\}$/s.exec(payload)?.[1] ?? payload
    if (
      !isForm &&
      !payload.startsWith('{"data_base64"') &&
      payload !== '{}' &&
      !source.startsWith('"')
    )
      expect(sent).toContain(source)
  }
  console.info(
    `${REQUESTS} requests: ${[...tally]
      .toSorted()
      .map(([name, count]) => `${count} times ${name}`)
      .join(', ')}; ${ids.size} events accepted, ${replays} answers replayed`,
  )
  expect(replays).toBeGreaterThan(0)
  expect(ids.size).toBeGreaterThan(50)
}, 240_000)

test('a body that is cut off stores nothing; one that comes slowly is accepted', async ({
  inbox,
}) => {
  const { total } = await inbox.metrics()
  await inParallel(BROKEN, 8, async (n) => {
    const content = JSON.stringify({ event_id: `cut-${n}`, payload: { text: 'x'.repeat(n * 50) } })
    const head = postHead(inbox, `Content-Length: ${content.length}`)
    await exchange(
      inbox,
      [bytes(head), bytes(content.slice(0, (content.length * n) / BROKEN))],
      true,
    )
  })
  expect((await inbox.metrics()).total).toBe(total)
  const chunks = [...'{"event_id":"slow","payload":{"a":1}}'].map((letter) =>
    bytes(`1\r\n${letter}\r\n`),
  )
  const head = postHead(inbox, 'Connection: close', 'Transfer-Encoding: chunked')
  expect((await exchange(inbox, [bytes(head), ...chunks, bytes('0\r\n\r\n')]))?.status).toBe(202)
  expect((await inbox.metrics()).total).toBe(total + 1)
})
