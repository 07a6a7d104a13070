import { expect, test } from 'vitest'
import type { Claimed, ClaimRequest } from '../../shared/claim'
import type { Shard } from '../../worker/shards'
import { waitForEvents } from '../../worker/waiting'

const CLAIM: ClaimRequest = {
  lease: 'l',
  subscription: 'inbox',
  limit: 1,
  lease_ms: 1_000,
  consumer: null,
  by: 'test',
}
const NOTHING: Claimed = { events: [], expires_at: 0, next_ms: null, is_known: true }

/** A shard that always says that there is something, and never has it. */
const promising = { fetch: async () => new Response(null, { status: 200 }) } as unknown as Shard

test('who waits where others are always quicker does not ask without end, and hears so in time', async () => {
  let claims = 0
  const startedAt = performance.now()
  const claimFrom = async () => {
    claims++
    return NOTHING
  }
  const found = await waitForEvents([promising, promising], CLAIM, Date.now() + 500, claimFrom)
  expect(found).toBeNull()
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(495)
  // 25, 50, 100, 200 … ms apart, in each of two shards.
  expect(claims).toBeLessThanOrEqual(14)
})

test('a shard that cannot be listened to is claimed from no more often than it is listened to', async () => {
  let [claims, listens] = [0, 0]
  const silent = {
    fetch: () => {
      listens++
      return Promise.reject(new Error('away'))
    },
  } as unknown as Shard
  const claimFrom = async () => {
    claims++
    return null
  }
  expect(await waitForEvents([silent], CLAIM, Date.now() + 500, claimFrom)).toBeNull()
  expect(listens).toBeGreaterThan(1)
  expect(listens).toBeLessThanOrEqual(7)
  expect(claims).toBeLessThanOrEqual(listens)
})

test('one who is woken again and again, and always too late, pauses between claims', async () => {
  let claims = 0
  const socket = new EventTarget() as WebSocket
  socket.accept = () => {}
  socket.close = () => {}
  const ring = () => socket.dispatchEvent(new MessageEvent('message', { data: '{"ready":true}' }))
  const ringing = {
    fetch: async () => ({ webSocket: socket, headers: new Headers({ 'X-Next-Ms': '1' }) }),
  } as unknown as Shard
  const claimFrom = async () => {
    claims++
    ring()
    return NOTHING
  }
  expect(await waitForEvents([ringing], CLAIM, Date.now() + 500, claimFrom)).toBeNull()
  expect(claims).toBeGreaterThan(1)
  expect(claims).toBeLessThanOrEqual(22)
})
