import { describe, expect } from 'vitest'
import type { EventStatus } from '../../shared/event'
import { failOpenPairs } from '../../objects/pairs'
import type { Verb } from '../../shared/lifecycle'
import { type Inbox, test } from '../support/world'

interface Result {
  index: number
  event_id: string
  status: string
  error?: { code: string }
}

const MAKE: Record<EventStatus, (inbox: Inbox, id: string) => Promise<unknown>> = {
  pending: async () => {},
  delivered: (inbox, id) => inbox.ack(id),
  failed: async (inbox, id) => {
    for (let n = 0; n < 3; n++) await inbox.nack(id, 'made to fail')
  },
}

describe('each verb on each status', () => {
  const table: [Verb, EventStatus, EventStatus | 409][] = [
    ['ack', 'pending', 'delivered'],
    ['ack', 'delivered', 409],
    ['ack', 'failed', 409],
    ['nack', 'pending', 'pending'],
    ['nack', 'delivered', 409],
    ['nack', 'failed', 409],
    ['retry', 'pending', 409],
    ['retry', 'delivered', 409],
    ['retry', 'failed', 'pending'],
  ]
  for (const [verb, from, to] of table) {
    test(`${verb} of a ${from} event gives ${to}`, async ({ inbox }) => {
      const id = await inbox.postId(`${verb}-${from}`)
      await MAKE[from](inbox, id)
      const before = await inbox.event(id)
      expect(before.status).toBe(from)
      const answer = await inbox.call('POST', `/inbox/${id}/${verb}`)
      const after = await inbox.event(id)
      if (to === 409) {
        expect(answer.status).toBe(409)
        expect(answer.body).toMatchObject({ code: 'STATUS_CONFLICT', event_status: from })
        expect(after).toEqual(before)
      } else {
        expect(answer.status).toBe(200)
        expect(answer.body.data).toMatchObject({
          event_id: id,
          status: to,
          retry_count: before.retry_count + (verb === 'ack' ? 0 : 1),
        })
        expect(after).toMatchObject({ status: to, created_at: before.created_at })
        expect(after.updated_at > before.updated_at).toBe(true)
      }
      await inbox.expectVerified()
      // Storing it is the latest change of an event that was not stored yet.
      const { status, retry_count, updated_at } = await inbox.event(id)
      expect([status, retry_count]).toEqual([after.status, after.retry_count])
      expect(updated_at >= after.updated_at).toBe(true)
      expect(await inbox.rows(`event_id = '${id}'`)).toMatchObject([
        { status, retry_count, updated_at },
      ])
    })
  }

  test('D1’s last refusal fails a pending event and no other', () => {
    const state = {
      event_id: 'a',
      status: 'pending' as EventStatus,
      retry_count: 7,
      nacks: 0,
      created_at: 1,
      updated_at: 1,
      correlation_id: 'c',
    }
    expect(failOpenPairs(state, 2)?.state).toMatchObject({ status: 'failed', updated_at: 2 })
    expect(failOpenPairs({ ...state, status: 'delivered' }, 2)).toBeNull()
    expect(failOpenPairs({ ...state, status: 'failed' }, 2)).toBeNull()
  })

  test('an id nobody knows gives 404, a bad one 400', async ({ inbox }) => {
    for (const [method, suffix] of [
      ['POST', '/ack'],
      ['POST', '/nack'],
      ['POST', '/retry'],
      ['DELETE', ''],
      ['GET', ''],
    ] as const) {
      const unknown = await inbox.call(method, `/inbox/nobody${suffix}`)
      expect([unknown.status, unknown.body.code]).toEqual([404, 'EVENT_NOT_FOUND'])
      const bad = await inbox.call(method, `/inbox/no%20body${suffix}`)
      expect([bad.status, bad.body.code]).toEqual([400, 'INVALID_PARAMETER'])
    }
  })
})

describe('retry_count', () => {
  test('is nacks + manual retries (+ failed attempts to store), and each retry allows MAX_RETRIES nacks again', async ({
    inbox,
  }) => {
    const id = await inbox.postId('counted')
    const counts = []
    for (const verb of ['nack', 'nack', 'nack', 'retry', 'nack', 'nack', 'nack'] as const) {
      const { data } = (await inbox.call('POST', `/inbox/${id}/${verb}`)).body
      counts.push([verb, data.status, data.retry_count])
    }
    expect(counts).toEqual([
      ['nack', 'pending', 1],
      ['nack', 'pending', 2],
      ['nack', 'failed', 3],
      ['retry', 'pending', 4],
      ['nack', 'pending', 5],
      ['nack', 'pending', 6],
      ['nack', 'failed', 7],
    ])
    await expect
      .poll(
        async () =>
          (await inbox.deadLetters()).find((letter) => letter.event_id === id)?.retry_count,
      )
      .toBe(7)
  })
})

describe('acknowledging', () => {
  test('100 at once of one event give one 200 and 99 times 409, and move the counters by one', async ({
    inbox,
  }) => {
    const id = await inbox.postId('acked-at-once')
    const before = await inbox.metrics()
    const answers = await Promise.all(Array.from({ length: 100 }, () => inbox.ack(id)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(99)
    expect(await inbox.metrics()).toMatchObject({
      pending: before.pending - 1,
      delivered: before.delivered + 1,
      total: before.total,
    })
    await inbox.expectVerified()
  })

  test('works while D1 is away, before the event ever reached it; D1 follows', async ({
    inbox,
  }) => {
    await inbox.withoutD1(async () => {
      await inbox.postId('acked-early')
      expect((await inbox.ack('acked-early')).status).toBe(200)
      expect((await inbox.event('acked-early')).status).toBe('delivered')
    })
    await inbox.drained()
    expect(await inbox.rows("event_id = 'acked-early'")).toMatchObject([{ status: 'delivered' }])
    await inbox.expectVerified()
  })

  test('many at once gives each its own result', async ({ inbox }) => {
    const ids = await Promise.all(Array.from({ length: 30 }, (_, n) => inbox.postId(`bulk-${n}`)))
    await inbox.ack('bulk-3')
    const mixed = await inbox.call<Result[]>('POST', '/inbox/ack', {
      event_ids: [...ids.slice(0, 5), 'unknown-id', 'bulk-0'],
    })
    expect(mixed.status).toBe(207)
    expect(
      mixed.body.data.map(({ index, event_id, status, error }) => [
        index,
        event_id,
        status,
        error?.code,
      ]),
    ).toEqual([
      [0, 'bulk-0', 'delivered', undefined],
      [1, 'bulk-1', 'delivered', undefined],
      [2, 'bulk-2', 'delivered', undefined],
      [3, 'bulk-3', 'rejected', 'STATUS_CONFLICT'],
      [4, 'bulk-4', 'delivered', undefined],
      [5, 'unknown-id', 'rejected', 'EVENT_NOT_FOUND'],
      [6, 'bulk-0', 'rejected', 'STATUS_CONFLICT'],
    ])
    expect((await inbox.call('POST', '/inbox/ack', { event_ids: ids.slice(5) })).status).toBe(200)
    await inbox.expectVerified()
  })

  test('refuses what names no events, too many, or impossible ones', async ({ inbox }) => {
    const bodies = [
      '',
      '[]',
      '{}',
      '{"event_ids":[]}',
      '{"event_ids":"a"}',
      '{"event_ids":["a b"]}',
      '{"event_ids":["a"],"x":1}',
      JSON.stringify({ event_ids: Array.from({ length: 1_001 }, (_, n) => `n${n}`) }),
    ]
    for (const body of bodies) {
      const answer = await inbox.call('POST', '/inbox/ack', body)
      expect([body.slice(0, 40), answer.status]).toEqual([body.slice(0, 40), 400])
    }
    expect(
      (await inbox.call('POST', '/inbox/ack', '{}', { 'Content-Type': 'text/plain' })).status,
    ).toBe(415)
    expect((await inbox.call('POST', '/inbox/ack', `"${'x'.repeat(300_000)}"`)).status).toBe(413)
  })
})

describe('deleting', () => {
  test('removes an event from its shard and D1 in every status, stored or not, and its id may come again', async ({
    inbox,
  }) => {
    for (const status of ['pending', 'delivered', 'failed'] as const) {
      const before = await inbox.metrics()
      const id = await inbox.postId(`deleted-${status}`)
      await inbox.drained()
      await MAKE[status](inbox, id)
      const answer = await inbox.call('DELETE', `/inbox/${id}`)
      expect([answer.status, answer.body.data]).toMatchObject([
        200,
        { event_id: id, status: 'deleted' },
      ])
      expect((await inbox.get(`/inbox/${id}`)).status).toBe(404)
      await inbox.expectVerified()
      expect(await inbox.rows(`event_id = '${id}'`)).toEqual([])
      expect(await inbox.metrics()).toMatchObject({ total: before.total, queue_depth: 0 })

      expect((await inbox.post({ event_id: id, payload: { again: true } })).status).toBe(202)
      await inbox.drained()
      expect(await inbox.rows(`event_id = '${id}'`)).toMatchObject([
        { payload: '{"again":true}', status: 'pending' },
      ])
    }
  })

  test('then accepting the same id while D1 is away leaves only the later event', async ({
    inbox,
  }) => {
    await inbox.withoutD1(async () => {
      for (const n of [1, 2, 3]) {
        expect((await inbox.post({ event_id: 'reborn', payload: { n } })).status).toBe(202)
        if (n < 3) expect((await inbox.call('DELETE', '/inbox/reborn')).status).toBe(200)
      }
    })
    await inbox.drained()
    expect(await inbox.rows("event_id = 'reborn'")).toMatchObject([{ payload: '{"n":3}' }])
    await inbox.expectVerified()
  })
})
