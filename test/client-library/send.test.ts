import { expect } from 'vitest'
import { InboxError } from '../../client/index'
import { clientFor, type Lose, losing } from '../support/client'
import { test } from '../support/world'

const UUID = /^[0-9a-f-]{36}$/

test('sends an event, gives it an id, and says what became of it', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const result = await client.send({ payload: { n: 1 }, metadata: { source: 'shop' } })
  expect(result).toEqual({ event_id: expect.stringMatching(UUID), status: 'accepted' })
  const own = { event_id: 'own', payload: {} }
  expect(await client.send(own)).toEqual({ event_id: 'own', status: 'accepted' })
  expect(await client.send(own)).toMatchObject({ status: 'duplicate', event_status: 'pending' })
})

test('sends more events than a batch takes, and has their results in order', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url)
  const events = Array.from({ length: 2_050 }, (_, n) => ({ event_id: `n-${n}`, payload: { n } }))
  const known = { event_id: 'n-7', payload: {} }
  const wrong = { event_id: 'not an id', payload: {} }
  const done: number[] = []
  const results = await client.send([...events, known, wrong], { onProgress: (n) => done.push(n) })
  expect(results.slice(0, -2).map(({ event_id }) => event_id)).toEqual(
    events.map(({ event_id }) => event_id),
  )
  expect(new Set(results.slice(0, -2).map(({ status }) => status))).toEqual(new Set(['accepted']))
  expect(results.slice(-2)).toMatchObject([
    { event_id: 'n-7', status: 'duplicate' },
    { event_id: null, status: 'rejected', error: { code: 'INVALID_EVENT' } },
  ])
  expect(asked(/events/)).toHaveLength(3)
  expect(done).toEqual([1_000, 2_000, 2_052])
  expect(await client.send([])).toEqual([])
})

test('splits batches by their size, and rejects what is too large by itself', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url)
  const events = Array.from({ length: 18 }, () => ({ payload: { text: 'ü'.repeat(450_000) } }))
  const huge = { event_id: 'huge', payload: { text: 'a'.repeat(8_000_001) } }
  const results = await client.send([...events, huge])
  expect(results.slice(0, 18).map(({ status }) => status)).toEqual(events.map(() => 'accepted'))
  expect(results[18]).toMatchObject({ status: 'rejected', error: { code: 'CONTENT_TOO_LARGE' } })
  expect(asked(/events/)).toHaveLength(3)
})

test('an event whose answers are lost is there once', async ({ inbox }) => {
  const { client, asked } = clientFor(inbox.url, losing(/events/, 2))
  const before = (await inbox.metrics()).total
  const results = await client.send([{ payload: {} }, { event_id: 'mine', payload: {} }])
  expect(results).toMatchObject([
    { status: 'accepted' },
    // Somebody else might have sent it before.
    { event_id: 'mine', status: 'duplicate' },
  ])
  expect(asked(/events/)).toHaveLength(3)
  expect((await inbox.metrics()).total - before).toBe(2)
})

test('what got no answer has an id to be sent again by, and what was sent before it its result', async ({
  inbox,
}) => {
  const lose: Lose = ({ body }) => (JSON.stringify(body).includes('away') ? 'request' : undefined)
  const { client } = clientFor(inbox.url, lose, { repeats: 1 })
  const events = Array.from({ length: 1_001 }, (_, n) => ({ payload: { away: n === 1_000 } }))
  const results = await client.send(
    events.map((event) => (event.payload.away ? event : { payload: {} })),
  )
  expect(results.slice(0, 1_000).every(({ status }) => status === 'accepted')).toBe(true)
  expect(results[1_000]).toMatchObject({
    event_id: expect.stringMatching(UUID),
    status: 'rejected',
    error: { code: 'NO_ANSWER', detail: expect.stringContaining('the network is away') },
  })
  const alone = client.send({ payload: { away: true } })
  await expect(alone).rejects.toMatchObject({ code: 'NO_ANSWER', status: 0 })
})

test('a send that is aborted ends at once', async ({ inbox }) => {
  const { client } = clientFor(inbox.url, () => 'request')
  const sent = client.send([{ payload: {} }], { signal: AbortSignal.timeout(500) })
  await expect(sent).rejects.toThrow('timeout')
})

test('text is kept to the byte', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const payload = '{"n": 12345678901234567890, "one": 1.0}'
  const results = await client.send([
    `{"event_id": "exact", "payload": ${payload}}`,
    ` {"payload": ${payload}} `,
    '{"payload": ',
    '[1]',
    '{}',
  ])
  expect(results).toMatchObject([
    { event_id: 'exact', status: 'accepted' },
    { event_id: expect.stringMatching(UUID), status: 'accepted' },
    { event_id: null, error: { code: 'INVALID_JSON' } },
    { status: 'rejected', error: { code: 'INVALID_EVENT' } },
    { status: 'rejected', error: { code: 'INVALID_EVENT' } },
  ])
  for (const { event_id } of results.slice(0, 2))
    expect((await inbox.get(`/inbox/${event_id}`)).text).toContain(payload)
})

test('what is refused is an error that says why', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const refused = client.send({ event_id: 'not an id', payload: {} })
  await expect(refused).rejects.toThrow(InboxError)
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_EVENT', status: 400 })
  const { client: stranger } = clientFor(inbox.url, undefined, { token: 'wrong' })
  for (const events of [{ payload: {} }, [{ payload: {} }]])
    await expect(stranger.send(events as never)).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      status: 401,
      detail: expect.stringContaining('token'),
      correlationId: expect.stringMatching(UUID),
    })
})
