import { describe, expect } from 'vitest'
import { test } from '../support/world'

/** What a reader who has the body already asks for. */

describe('an event without its body', () => {
  test('is its state, with its timeline where that is asked for, before D1 has it and after', async ({
    inbox,
  }) => {
    const body = { event_id: 'bare', payload: { n: 1 }, metadata: { source: 'shop' } }
    const look = async () => {
      const { payload, metadata, ...whole } = await inbox.client.timeline('bare')
      expect({ payload, metadata }).toEqual({ payload: body.payload, metadata: body.metadata })
      expect(await inbox.client.timeline('bare', { body: 'none' })).toEqual(whole)
      const { event_id, status, retry_count, created_at, updated_at } = whole
      const state = { event_id, status, retry_count, created_at, updated_at }
      expect((await inbox.get('/inbox/bare?body=none')).body.data).toEqual(state)
      return status
    }
    await inbox.withoutD1(async () => {
      await inbox.post(body)
      expect(await look()).toBe('pending')
    })
    await inbox.drained()
    await inbox.ack('bare')
    expect(await look()).toBe('delivered')
  })

  test('is told while D1 is away, which the whole event cannot be', async ({ inbox }) => {
    await inbox.postId('stored')
    await inbox.drained()
    await inbox.withoutD1(async () => {
      expect((await inbox.get('/inbox/stored')).status).toBe(503)
      const { status, body } = await inbox.get('/inbox/stored?body=none&include=timeline')
      expect([status, body.data]).toMatchObject([200, { event_id: 'stored', status: 'pending' }])
    })
  })

  test('is a 404 when there is none, and has no other kinds', async ({ inbox }) => {
    expect((await inbox.get('/inbox/nobody?body=none')).status).toBe(404)
    const { status, body } = await inbox.get('/inbox/bare?body=preview')
    expect([status, body.errors]).toEqual([
      400,
      [{ parameter: 'body', detail: 'must be full or none' }],
    ])
  })
})
