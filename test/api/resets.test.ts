import { describe, expect } from 'vitest'
import { isPassing } from '../../worker/http/silence'
import { test } from '../support/steering'

interface Result {
  status: string
  error?: { code: string; detail: string }
}

describe('a shard that is reset during a request makes it a 503 whose advice fits it', () => {
  const requests: [method: string, path: string, call: string, advice: string][] = [
    ['GET', '/inbox/an-event', 'get', 'Send the request again.'],
    ['GET', '/inbox', 'flush', 'Send the request again.'],
    ['GET', '/metrics', 'metrics', 'Send the request again.'],
    ['DELETE', '/inbox/an-event', 'remove', 'a 404 means that it was done'],
    ['POST', '/inbox/an-event/ack', 'ack', 'a 409 that says delivered means that it was done'],
    ['POST', '/inbox/an-event/nack', 'nack', 'With an Idempotency-Key, send the request again'],
    ['POST', '/inbox/an-event/retry', 'retry', 'a 409 that says pending means that it was done'],
  ]
  for (const [method, path, call, advice] of requests) {
    test(`${method} ${path}`, async ({ inbox, steer }) => {
      await inbox.post({ event_id: 'an-event', payload: {} })
      await steer({ faults: { [call]: 'reset' } })
      const answer = await inbox.call(method, path)
      expect([answer.status, answer.body.code, answer.headers.get('Retry-After')]).toEqual([
        503,
        'UNAVAILABLE',
        '2',
      ])
      expect(answer.body.detail).toContain(advice)
      expect(answer.body.detail).not.toContain('event_id')
    })
  }

  test('POST /dlq/retry, whichever it redrives', async ({ inbox, steer }) => {
    await steer({ faults: { redrive: 'reset', retry: 'reset' } })
    for (const which of [{ all: true }, { event_ids: ['an-event'] }]) {
      const answer = await inbox.call('POST', '/dlq/retry', which)
      expect([answer.status, answer.body.code]).toEqual([503, 'UNAVAILABLE'])
      expect(answer.body.detail).toContain('not redriven twice')
    }
  })

  test('POST /events: with an id of its own, the event can be sent again as it was', async ({
    inbox,
    steer,
  }) => {
    await steer({ faults: { accept: 'reset after' } })
    const event = { event_id: 'sent-again', payload: {} }
    const answer = await inbox.post(event)
    expect([answer.status, answer.body.detail]).toEqual([
      503,
      'A shard did not answer. Send the event again as it was: it is there once.',
    ])
    const keyed = await inbox.post({ payload: { n: 1 } }, { 'Idempotency-Key': 'a-key' })
    expect([keyed.status, keyed.body.detail]).toEqual([503, answer.body.detail])
    await steer({ faults: {} })
    expect((await inbox.post(event)).status).toBe(409)
    const again = await inbox.post({ payload: { n: 1 } }, { 'Idempotency-Key': 'a-key' })
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([202, 'true'])
  })

  test('POST /events without an id: it is told the id that was made, under which the event is there once', async ({
    inbox,
    steer,
  }) => {
    const { total } = await inbox.metrics()
    await steer({ faults: { accept: 'reset after' } })
    const answer = await inbox.post({ payload: { n: 1 } })
    const { event_id, detail } = JSON.parse(answer.text)
    expect([answer.status, detail]).toEqual([503, expect.stringContaining(event_id)])
    await steer({ faults: {} })
    expect((await inbox.post({ event_id, payload: { n: 1 } })).status).toBe(409)
    expect((await inbox.metrics()).total).toBe(total + 1)
  })
})

test('a mistake in a shard is a 500 that tells nothing of it', async ({ inbox, steer }) => {
  await steer({ faults: { get: 'throw', ack: 'throw' } })
  for (const answer of [await inbox.get('/inbox/an-event'), await inbox.ack('an-event')]) {
    expect([answer.status, answer.body.code]).toEqual([500, 'INTERNAL'])
    expect(answer.text).not.toContain('mistake')
  }
})

test('acknowledging many tells what was done, and what a reset shard left open', async ({
  inbox,
  steer,
}) => {
  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => inbox.postId(`bulk-${n}`)))
  await steer({ faults: { 'shard-1.ack': 'reset' } })
  const { status, body } = await inbox.call<Result[]>('POST', '/inbox/ack', { event_ids: ids })
  expect(status).toBe(207)
  const codes = body.data.map((result) => result.error?.code ?? result.status)
  expect(new Set(codes)).toEqual(new Set(['delivered', 'UNAVAILABLE']))
  await steer({ faults: {} })
  for (const [index, id] of ids.entries())
    expect((await inbox.event(id)).status).toBe(
      codes[index] === 'delivered' ? 'delivered' : 'pending',
    )
})

test('only the runtime’s own marks tell that a call may work next time', () => {
  const marked = (mark: string) => Object.assign(new Error('no'), { [mark]: true })
  // https://developers.cloudflare.com/durable-objects/best-practices/error-handling
  for (const mark of ['durableObjectReset', 'retryable', 'overloaded'])
    expect([mark, isPassing(marked(mark))]).toEqual([mark, true])
  for (const error of [new Error('no'), marked('remote'), new TypeError('no'), 'no', null])
    expect([error, isPassing(error)]).toEqual([error, false])
})
