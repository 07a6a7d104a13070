import { expect, test } from 'vitest'
import { Inbox } from '../../client/index'
import { pauseMs } from '../../client/pause'
import { fakeInbox, refused } from '../support/fake-inbox'

/** What the library makes of answers that no inbox gives, and of requests that nobody can make. */

const clientOf = (url: URL, more: object = {}) => new Inbox({ url, token: 'secret-1', ...more })

test('refuses an address or a token of which no request can be made, and shows neither', () => {
  const url = 'http://localhost:8787'
  for (const [wrong, words] of [
    [{ url, token: 'secret\n' }, 'token must be'],
    [{ url, token: 'sécrét' }, 'token must be'],
    [{ url: 'localhost:8787', token: 'secret' }, 'url must be'],
    [{ url: 'ftp://localhost', token: 'secret' }, 'url must be'],
    [{ url: 'http://me:secret@localhost', token: 'secret' }, 'url must be'],
    [{ url: `${url}/?secret`, token: 'secret' }, 'url must be'],
    [{ url: `${url}/#secret`, token: 'secret' }, 'url must be'],
  ] as const) {
    const make = () => new Inbox(wrong)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(words)
    expect(make).not.toThrow(/s[eé]cr[eé]t/)
  }
})

test('a success that is of no inbox is an error, and not asked for again', async () => {
  const bodies: unknown[] = ['<h1>Welcome</h1>', 'null', '{"answer": 42}', '']
  for (const body of bodies) {
    const { url, requests } = await fakeInbox(() => ({ body }))
    const error = { code: 'UNEXPECTED_ANSWER', status: 200, isPassing: false }
    await expect(clientOf(url).metrics()).rejects.toMatchObject(error)
    await expect(clientOf(url).send([{ payload: {} }])).rejects.toMatchObject(error)
    await expect(clientOf(url).consume({}, () => {})).rejects.toMatchObject(error)
    expect(requests).toHaveLength(3)
  }
})

test('a failure may have any body', async () => {
  for (const body of ['null', '17', '{', '<h1>No</h1>']) {
    const { url } = await fakeInbox(() => ({ status: 502, body }))
    const error = { code: 'UNEXPECTED_ANSWER', status: 502, isPassing: true }
    await expect(clientOf(url, { repeats: 0 }).metrics()).rejects.toMatchObject(error)
  }
})

test('waits a minute at most, whatever it is asked to, and for an answer without end', async () => {
  expect(pauseMs(0, 9_999_999_999)).toBeLessThan(61_000)
  const { url } = await fakeInbox(() => ({ body: { data: { total: 1 } } }))
  expect(await clientOf(url, { timeoutMs: Infinity, repeats: 0 }).metrics()).toEqual({ total: 1 })
  const headers = { 'Retry-After': '-60' }
  const away = await fakeInbox(() => ({ status: 503, headers }))
  const error = { retryAfterSeconds: 0 }
  await expect(clientOf(away.url, { repeats: 0 }).metrics()).rejects.toMatchObject(error)
})

test('never repeats a redrive: it would take what has failed since', async () => {
  const { url, requests } = await fakeInbox(() => refused(503, 'UNAVAILABLE'))
  const redriven = clientOf(url).redrive({ event_ids: ['a'] })
  await expect(redriven).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(requests).toHaveLength(1)
})

test('what was sent before a refusal has its result', async () => {
  let left = 1
  const { url, requests } = await fakeInbox(({ body }) => {
    if (left-- === 0) return refused(401, 'UNAUTHORIZED')
    const data = (body as unknown as object[]).map((event) => ({ ...event, status: 'accepted' }))
    return { body: { data } }
  })
  const events = Array.from({ length: 2_001 }, (_, n) => ({ event_id: `e-${n}`, payload: {} }))
  const results = await clientOf(url).send(events)
  expect(results.slice(0, 1_000).every(({ status }) => status === 'accepted')).toBe(true)
  const rest = results.slice(1_000)
  expect(rest).toHaveLength(1_001)
  const error = { code: 'UNAUTHORIZED' }
  for (const result of rest) expect(result).toMatchObject({ status: 'rejected', error })
  expect(rest.at(-1)).toMatchObject({ event_id: 'e-2000' })
  // What is refused is not tried again, batch by batch.
  expect(requests).toHaveLength(2)
})

test('one event that is too large is a 413', async () => {
  const { url } = await fakeInbox(() => undefined)
  const sent = clientOf(url).send({ payload: { text: 'a'.repeat(8_000_001) } })
  await expect(sent).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE', status: 413 })
})

test('a name that would be another path is refused', async () => {
  const { url, requests } = await fakeInbox(() => ({}))
  const client = clientOf(url)
  for (const id of ['', '.', '..']) {
    const error = { code: 'INVALID_PARAMETER', detail: expect.stringContaining(`"${id}"`) }
    for (const asked of [
      client.get(id),
      client.delete(id),
      client.subscription(id),
      client.settle(id, {}),
    ])
      await expect(asked).rejects.toMatchObject(error)
  }
  expect(requests).toEqual([])
})

test('a filter replaces no parameter', async () => {
  const { url, requests } = await fakeInbox(({ path }) => ({
    body: { data: [{}], next_cursor: path.includes('cursor=b') ? null : 'b' },
  }))
  let count = 0
  for await (const _ of clientOf(url).all({ filter: { cursor: 'a', limit: 7 } }))
    if (++count === 5) break
  expect(count).toBe(2)
  expect(requests.map(({ path }) => new URL(path, url).searchParams.get('limit'))).toEqual([
    '1000',
    '1000',
  ])
})
