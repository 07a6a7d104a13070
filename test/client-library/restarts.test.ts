import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Inbox } from '../../client/index'
import { buildClient } from '../support/client'
import { relay, startServer, storageFolder } from '../support/server-process'

const EVENTS = 60
const LEASE_SECONDS = 6

test('goes on by itself when the worker is killed and comes back, and loses no event', async () => {
  const folder = storageFolder()
  const { url, to } = await relay()
  let server = await startServer(folder)
  to(server.url)
  const client = new Inbox({ url, token: 'dev-token' })
  const events = Array.from({ length: EVENTS }, (_, n) => ({
    event_id: `e-${n}`,
    payload: { n },
  }))
  await client.send(events.slice(0, EVENTS / 2))
  const stop = new AbortController()
  const begun = new Map<string, number[]>()
  const worked = new Set<string>()
  const errors: string[] = []
  const over = client.consume(
    {
      concurrency: 4,
      leaseSeconds: LEASE_SECONDS,
      signal: stop.signal,
      onError: ({ code }) => errors.push(code),
    },
    async ({ event_id }) => {
      begun.set(event_id, [...(begun.get(event_id) ?? []), Date.now()])
      await sleep(100)
      worked.add(event_id)
    },
  )
  await expect.poll(() => worked.size).toBeGreaterThan(5)
  await server.stop('SIGKILL')
  // What is sent while nobody answers arrives later.
  const sent = client.send(events.slice(EVENTS / 2))
  server = await startServer(folder)
  to(server.url)
  // A start may take longer than a send is tried for: it is sent again with the same ids then.
  if ((await sent).some(({ status }) => status === 'rejected'))
    await client.send(events.slice(EVENTS / 2))
  await expect.poll(() => worked.size, { timeout: 60_000 }).toBe(EVENTS)
  stop.abort()
  await over
  expect(errors).toContain('NO_ANSWER')
  expect(await server.subscription()).toMatchObject({ open: 0, failed: 0 })
  // Nobody else worked: an event came again only when its lease had ended while nobody answered. What was answered
  // is settled, and a lease that the worker still knows when it is back is never given to a second claim.
  const waits = [...begun.values()].flatMap((times) =>
    times.slice(1).map((time, n) => time - (times[n] ?? time)),
  )
  expect(waits.filter((wait) => wait < (LEASE_SECONDS * 1_000) / 2)).toEqual([])
  await server.stop()
})

test('the events of a consumer that was killed go to others, those of one that was stopped at once', async () => {
  const server = await startServer(storageFolder())
  const { commandLine, remove } = buildClient()
  onTestFinished(remove)
  const client = new Inbox({ url: server.url, token: 'dev-token' })
  const consumer = async (flags: string[]) => {
    const child = spawn(
      process.execPath,
      [
        commandLine,
        'consume',
        '--exec',
        'echo begun; sleep 30',
        '--url',
        server.url.href,
        ...flags,
      ],
      { env: { ...process.env, EVENT_INBOX_TOKEN: 'dev-token' } },
    )
    // What is leased may still be on its way to the consumer, which would give it back.
    await once(child.stdout, 'data')
    expect((await server.subscription()).leased).toBe(1)
    return child
  }
  await client.send({ event_id: 'held', payload: {} })
  const killed = await consumer(['--lease-seconds', '5'])
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  expect((await server.claim()).body.data).toEqual([])
  const claimed = await server.claim({ wait_seconds: 20, lease_seconds: 60 })
  expect(claimed.body.data).toMatchObject([{ event_id: 'held', attempt: 2 }])
  await server.settle(claimed.body.lease?.token ?? '', { release: ['held'] })

  const stopped = await consumer([])
  stopped.kill('SIGINT')
  await sleep(200)
  expect((await server.subscription()).leased).toBe(1)
  stopped.kill('SIGINT')
  expect(await once(stopped, 'exit')).toEqual([130, null])
  expect(await server.subscription()).toMatchObject({ ready: 1, leased: 0 })
})
