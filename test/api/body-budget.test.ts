import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test as plain } from 'vitest'
import { holdBytes, releaseBytes } from '../../worker/http/body-budget'
import { LIMITS } from '../../shared/limits'
import { type Inbox, inParallel, test } from '../support/world'

const MIB = 1_048_576

describe('the bytes of bodies under way', () => {
  /** How many more bytes there is room for. */
  function room(now?: number): number {
    const probe = {}
    const fits = (bytes: number) => {
      try {
        holdBytes(probe, bytes, now)
        return true
      } catch {
        return false
      } finally {
        releaseBytes(probe)
      }
    }
    let [least, most] = [0, LIMITS.HELD_BYTES]
    while (least < most) {
      const middle = Math.ceil((least + most) / 2)
      if (fits(middle)) least = middle
      else most = middle - 1
    }
    return least
  }

  plain('never exceed the bound, and all come back, in whatever order requests end', () => {
    const step = fc.record({
      request: fc.nat({ max: 9 }),
      bytes: fc.option(fc.nat({ max: LIMITS.HELD_BYTES })),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const requests = Array.from({ length: 10 }, () => ({}))
        const held = requests.map(() => 0)
        const sum = () => held.reduce((total, each) => total + each, 0)
        for (const { request, bytes } of steps) {
          const one = requests[request] ?? {}
          if (bytes === null) {
            releaseBytes(one)
            held[request] = 0
          } else if (sum() + bytes <= LIMITS.HELD_BYTES) {
            holdBytes(one, bytes)
            held[request] = (held[request] ?? 0) + bytes
          } else expect(() => holdBytes(one, bytes)).toThrow('Too many large requests')
        }
        expect(room()).toBe(LIMITS.HELD_BYTES - sum())
        for (const each of requests) releaseBytes(each)
        expect(room()).toBe(LIMITS.HELD_BYTES)
      }),
    )
  })

  plain('of a request that the runtime dropped come back after a minute', () => {
    const dropped = {}
    holdBytes(dropped, LIMITS.HELD_BYTES, 0)
    expect(room(59_000)).toBe(0)
    expect(room(61_000)).toBe(LIMITS.HELD_BYTES)
    // It was only slow: what it gave back is not given back again.
    holdBytes(dropped, 10, 62_000)
    expect(room(62_000)).toBe(LIMITS.HELD_BYTES - 10)
    releaseBytes(dropped)
    releaseBytes(dropped)
    expect(room(62_000)).toBe(LIMITS.HELD_BYTES)
  })
})

/** Announces a body of so many bytes and sends one of them; the connection stays open. */
async function stall(inbox: Inbox, bytes: number) {
  const socket = connect(Number(inbox.url.port), inbox.url.hostname)
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString()))
  socket.on('error', () => {})
  const headers = `Host: ${inbox.url.host}\r\nAuthorization: Bearer dev-token\r\nContent-Type: application/json`
  socket.write(`POST /events HTTP/1.1\r\n${headers}\r\nContent-Length: ${bytes}\r\n\r\n[`)
  return { answer: () => answer, hangUp: () => socket.destroy() }
}

test('beyond the bound a body is refused before it is read, and taken when there is room again', async ({
  inbox,
}) => {
  const large = 8 * MIB
  const stalled = await Promise.all(
    Array.from({ length: LIMITS.HELD_BYTES / large }, () => stall(inbox, large)),
  )
  const post = () => inbox.post({ payload: {} })
  await expect.poll(async () => (await post()).status).toBe(503)
  const refused = await post()
  expect([refused.body.code, refused.headers.get('Retry-After')]).toEqual(['UNAVAILABLE', '2'])
  // Requests without a body are answered.
  expect((await inbox.get('/inbox')).status).toBe(200)
  for (const { answer, hangUp } of stalled) {
    expect(answer()).toBe('')
    hangUp()
  }
  await expect.poll(async () => (await post()).status).toBe(202)
})

test('a body of unknown length counts as it comes', async ({ inbox }) => {
  const half = LIMITS.HELD_BYTES / 2
  const stalled = [1, 2].map(() => {
    const socket = connect(Number(inbox.url.port), inbox.url.hostname)
    socket.on('error', () => {})
    const headers = `Host: ${inbox.url.host}\r\nAuthorization: Bearer dev-token\r\nContent-Type: application/json`
    socket.write(`POST /events HTTP/1.1\r\n${headers}\r\nTransfer-Encoding: chunked\r\n\r\n`)
    socket.write(`${half.toString(16)}\r\n${' '.repeat(half)}\r\n`)
    return socket
  })
  const post = async () => (await inbox.post({ payload: {} })).status
  await expect.poll(post).toBe(503)
  for (const socket of stalled) socket.destroy()
  await expect.poll(post).toBe(202)
})

test('what failed, in whatever way, holds nothing', async ({ inbox }) => {
  const { total } = await inbox.metrics()
  const text = 'x'.repeat(MIB - 100)
  const json = { 'Content-Type': 'application/json' }
  const send = async (body: string | Uint8Array, headers = json) =>
    (await inbox.call('POST', '/events', body, headers)).status
  const gzip = { ...json, 'Content-Encoding': 'gzip' }
  const zipped = gzipSync(JSON.stringify({ payload: { text } }), { level: 0 })
  await inbox.post({ event_id: 'there', payload: {} })
  const failures: [status: number, () => Promise<number>][] = [
    [400, () => send(text)],
    [400, () => send(Buffer.from(text).fill(0xff))],
    [400, () => send(`[{"payload":"${text}"}]`)],
    [409, () => send(JSON.stringify({ event_id: 'there', payload: { text } }))],
    [413, () => send(JSON.stringify({ payload: { text: text + text } }))],
    [413, () => send(gzipSync(Buffer.alloc(20 * MIB)), gzip)],
    [400, () => send(zipped.subarray(0, -9), gzip)],
  ]
  // Several times what there is room for.
  await inParallel(failures.length * 24, 6, async (n) => {
    const [expected, fail] = failures[n % failures.length] ?? []
    expect(await fail?.()).toBe(expected)
  })
  for (let n = 0; n < 24; n++) {
    const { hangUp } = await stall(inbox, 8 * MIB)
    hangUp()
  }
  // All the room there is, at once.
  const stalled = await Promise.all(
    Array.from({ length: LIMITS.HELD_BYTES / (8 * MIB) - 1 }, () => stall(inbox, 8 * MIB)),
  )
  const large = `[${Array(7)
    .fill(JSON.stringify({ payload: { text } }))
    .join()}]`
  await expect.poll(() => send(large)).toBe(202)
  for (const { answer, hangUp } of stalled) {
    expect(answer()).toBe('')
    hangUp()
  }
  expect((await inbox.metrics()).total).toBeGreaterThan(total)
}, 240_000)
