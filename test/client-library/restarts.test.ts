import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Inbox } from '../../client/index'
import { buildClient } from '../support/client'
import { relay, startServer, storageFolder } from '../support/server-process'

const EVENTS = 60

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
  const worked = new Map<string, number>()
  const errors: string[] = []
  const over = client.consume(
    {
      concurrency: 4,
      leaseSeconds: 6,
      signal: stop.signal,
      onError: ({ code }) => errors.push(code),
    },
    async ({ event_id }) => {
      await sleep(100)
      worked.set(event_id, (worked.get(event_id) ?? 0) + 1)
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
  // Nobody else worked: an event came again only where its claim's answer was lost, before it was worked on.
  expect([...worked.values()].filter((times) => times > 1)).toEqual([])
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
      [commandLine, 'consume', '--exec', 'sleep 30', '--url', server.url.href, ...flags],
      { env: { ...process.env, EVENT_INBOX_TOKEN: 'dev-token' } },
    )
    await expect.poll(async () => (await server.subscription()).leased).toBe(1)
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
