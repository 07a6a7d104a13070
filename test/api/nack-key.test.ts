import { expect } from 'vitest'
import { test as base } from '../support/steering'
import type { Inbox } from '../support/world'

const test = base.override('vars', { MAX_RETRIES: '3' })

const nack = async (inbox: Inbox, id: string, key: string | undefined, body?: unknown) => {
  const headers = key === undefined ? {} : { 'Idempotency-Key': key }
  const answer = await inbox.call('POST', `/inbox/${id}/nack`, body, headers)
  const { status, retry_count } = answer.body.data ?? {}
  const replayed = answer.headers.get('Idempotency-Replayed')
  return [answer.status, replayed, status ?? answer.body.code, retry_count]
}

test('a nack with the Idempotency-Key of the last one gets the present state, and counts no second time', async ({
  inbox,
}) => {
  await inbox.postId('a')
  expect(await nack(inbox, 'a', 'one', { error: 'no' })).toEqual([200, null, 'pending', 1])
  const before = await inbox.event('a')
  for (const key of ['one', '"one"'])
    expect(await nack(inbox, 'a', key, { error: 'no' })).toEqual([200, 'true', 'pending', 1])
  expect(await inbox.event('a')).toEqual(before)
  // Another key is another nack, and so is none; neither makes the last key forgotten before there is a newer one.
  expect(await nack(inbox, 'a', undefined, { error: 'no' })).toEqual([200, null, 'pending', 2])
  expect(await nack(inbox, 'a', 'one', { error: 'no' })).toEqual([200, 'true', 'pending', 2])
  expect(await nack(inbox, 'a', 'two', { error: 'no' })).toEqual([200, null, 'failed', 3])
  await inbox.expectVerified()
})

test('the one that failed the event can be sent again as well: there is one dead letter', async ({
  inbox,
}) => {
  await inbox.postId('b')
  for (const key of ['one', 'two']) await nack(inbox, 'b', key)
  expect(await nack(inbox, 'b', 'three')).toEqual([200, null, 'failed', 3])
  expect(await nack(inbox, 'b', 'three')).toEqual([200, 'true', 'failed', 3])
  // Without it, an event that failed is no pending one.
  expect(await nack(inbox, 'b', undefined)).toEqual([409, null, 'STATUS_CONFLICT', undefined])
  expect(await nack(inbox, 'b', 'four')).toEqual([409, null, 'STATUS_CONFLICT', undefined])
  await expect
    .poll(async () => (await inbox.deadLetters()).filter(({ event_id }) => event_id === 'b'))
    .toHaveLength(1)
  // It stays known when the event is redriven, and acknowledged.
  await inbox.retry('b')
  expect(await nack(inbox, 'b', 'three')).toEqual([200, 'true', 'pending', 4])
  await inbox.ack('b')
  expect(await nack(inbox, 'b', 'three')).toEqual([200, 'true', 'delivered', 4])
})

test('the same key with another body is a 422 that changes nothing', async ({ inbox }) => {
  await inbox.postId('c')
  await nack(inbox, 'c', 'one', { error: 'no' })
  for (const body of [undefined, { error: 'another' }]) {
    const conflict = await inbox.call('POST', '/inbox/c/nack', body, { 'Idempotency-Key': 'one' })
    expect([conflict.status, conflict.body.code, conflict.body.event_status]).toEqual([
      422,
      'IDEMPOTENCY_KEY_REUSED',
      'pending',
    ])
  }
  expect((await inbox.event('c')).retry_count).toBe(1)
})

test('a key belongs to its event, and to the one accepted anew under its id it is new', async ({
  inbox,
}) => {
  for (const id of ['d', 'e']) {
    await inbox.postId(id)
    expect(await nack(inbox, id, 'one')).toEqual([200, null, 'pending', 1])
  }
  await inbox.call('DELETE', '/inbox/d')
  expect(await nack(inbox, 'd', 'one')).toEqual([404, null, 'EVENT_NOT_FOUND', undefined])
  await inbox.postId('d')
  expect(await nack(inbox, 'd', 'one')).toEqual([200, null, 'pending', 1])
})

test('a key that none may have is refused as with POST /events', async ({ inbox }) => {
  await inbox.postId('f')
  for (const key of ['', 'é', 'x'.repeat(256)])
    expect(await nack(inbox, 'f', key)).toEqual([400, null, 'INVALID_IDEMPOTENCY_KEY', undefined])
  expect((await inbox.event('f')).retry_count).toBe(0)
})

test('a nack whose answer was lost, while its shard was reset, is counted once', async ({
  inbox,
  steer,
}) => {
  await inbox.postId('g')
  await steer({ faults: { nack: 'reset after' } })
  expect(await nack(inbox, 'g', 'one')).toEqual([503, null, 'UNAVAILABLE', undefined])
  await steer({ faults: {} })
  expect(await nack(inbox, 'g', 'one')).toEqual([200, 'true', 'pending', 1])
})
