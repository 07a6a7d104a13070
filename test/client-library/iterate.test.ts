import { expect } from 'vitest'
import { clientFor } from '../support/client'
import { idOf } from '../support/shards'
import { type Inbox, test as base } from '../support/world'

const NAMES = ['one', 'leave', 'throw', 'stop', 'lost']
const test = base.override('vars', {
  SUBSCRIPTIONS: JSON.stringify(
    NAMES.map((name) => ({ name, filter: { 'payload.for': name }, retry_seconds: [600] })),
  ),
})

/** Events of one shard, so that one claim can have all of them, oldest first. */
const eventsFor = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({
    event_id: idOf(0, `${name}-${n}`),
    payload: { for: name, n },
  }))

/** What became of each event. */
async function fates(inbox: Inbox, events: { event_id: string }[]) {
  const stories = await Promise.all(events.map(({ event_id }) => inbox.story(event_id)))
  return stories.map(({ timeline }) => timeline.slice(1).map(({ what }) => what))
}

test('acks an event when the next one is asked for', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const events = eventsFor('one', 2)
  await client.send(events)
  const loop = client.consume({ subscription: 'one', concurrency: 2 })
  const first = await loop.next()
  expect(first.value).toMatchObject({ payload: { n: 0 }, attempt: 1 })
  expect(Object.keys(first.value ?? {})).not.toContain('signal')
  expect(first.value?.signal.aborted).toBe(false)
  expect(await fates(inbox, events)).toEqual([['claimed'], ['claimed']])
  expect((await loop.next()).value).toMatchObject({ payload: { n: 1 } })
  await expect.poll(() => fates(inbox, events)).toEqual([['acked'], ['claimed']])
  await loop.return()
  expect(await fates(inbox, events)).toEqual([['acked'], ['nacked']])
  expect(await loop.next()).toEqual({ done: true, value: undefined })
})

test('leaving the loop nacks the event at hand, and releases the rest', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const events = eventsFor('leave', 5)
  await client.send(events)
  let count = 0
  for await (const { payload } of client.consume({ subscription: 'leave', concurrency: 5 })) {
    expect(payload.n).toBe(count)
    if (++count === 3) break
  }
  const expected = [['acked'], ['acked'], ['nacked'], ['released'], ['released']]
  expect(await fates(inbox, events)).toEqual(expected)
  const counts = { open: 3, ready: 2, scheduled: 1, leased: 0 }
  expect(await inbox.subscription('leave')).toMatchObject(counts)
})

test('an error in the loop is one of its caller, and nacks the event at hand', async ({
  inbox,
}) => {
  const { client } = clientFor(inbox.url)
  const events = eventsFor('throw', 2)
  await client.send(events)
  const work = async () => {
    for await (const _ of client.consume({ subscription: 'throw', concurrency: 2 }))
      throw new Error('mine')
  }
  await expect(work()).rejects.toThrow('mine')
  expect(await fates(inbox, events)).toEqual([['nacked'], ['released']])
})

test('stops on a signal: the event at hand is acked, the rest is released', async ({ inbox }) => {
  const { client } = clientFor(inbox.url)
  const events = eventsFor('stop', 3)
  await client.send(events)
  const stop = new AbortController()
  for await (const _ of client.consume({
    subscription: 'stop',
    concurrency: 3,
    signal: stop.signal,
  }))
    stop.abort()
  expect(await fates(inbox, events)).toEqual([['acked'], ['released'], ['released']])
})

test('keeps the events that wait for the loop, and leaves out those that it lost', async ({
  inbox,
}) => {
  const { client } = clientFor(inbox.url)
  const events = eventsFor('lost', 3)
  await client.send(events)
  const lost: string[] = []
  const loop = client.consume({
    subscription: 'lost',
    concurrency: 3,
    leaseSeconds: 2,
    onLost: ({ event_id }) => lost.push(event_id),
  })
  const first = await loop.next()
  await inbox.ack(events[1]?.event_id ?? '')
  await expect.poll(() => lost).toEqual([events[1]?.event_id])
  // Longer than a lease.
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(first.value?.signal.aborted).toBe(false)
  expect((await loop.next()).value).toMatchObject({ event_id: events[2]?.event_id, attempt: 1 })
  await inbox.ack(events[2]?.event_id ?? '')
  const { value } = await loop.return()
  expect(value).toBeUndefined()
  const byOthers = ['claimed', 'acked']
  expect(await fates(inbox, events)).toEqual([['acked'], byOthers, byOthers])
})
