import { expect, test } from 'vitest'
import { startServer, storageFolder } from '../support/server-process'

const KILLS = 5
/** Posts under way when the server dies are unanswered: they may or may not be there. */
const CONCURRENCY = 16
/** A busy machine answers fewer posts by then than it was to be killed after. */
const SLOW_MS = 5_000

test(`a server killed ${KILLS} times under load has every event it answered 202 for exactly once`, async () => {
  const folder = storageFolder()
  const answered = new Set<string>()
  let unanswered = 0
  const acked = new Set<string>()
  for (let round = 0; round < KILLS; round++) {
    const server = await startServer(folder)
    const killAfter = 50 + Math.floor(Math.random() * 400)
    let count = 0
    let alive = true
    const lane = async (first: number) => {
      for (let n = first; alive; n += CONCURRENCY) {
        const event_id = `round-${round}-${n}`
        const { status } = await server.post({ event_id, payload: { round, n } })
        if (status === 202) answered.add(event_id)
        if (n % 5 === 0 && (await server.ack(event_id)).status === 200) acked.add(event_id)
        count++
      }
    }
    // Each lane ends with the request that the kill cuts off.
    const load = Array.from({ length: CONCURRENCY }, (_, first) => lane(first).catch(() => {}))
    const waitUntil = Date.now() + SLOW_MS
    const killNow = () => count >= killAfter || (count > 0 && Date.now() > waitUntil)
    await expect.poll(killNow, { interval: 2, timeout: 60_000 }).toBe(true)
    await server.stop('SIGKILL')
    alive = false
    await Promise.all(load)
    unanswered += CONCURRENCY
  }

  const server = await startServer(folder)
  // Nobody asks for a flush here: the alarms must resume by themselves.
  await expect.poll(async () => (await server.metrics()).queue_depth, { timeout: 60_000 }).toBe(0)
  const metrics = await server.verify()
  expect(metrics.differences).toEqual([])
  const listed = []
  for await (const event of server.client.all()) listed.push(event)
  const ids = new Set(listed.map((event) => event.event_id))
  expect(listed).toHaveLength(ids.size)
  expect(listed).toHaveLength(metrics.total)
  expect([...answered].filter((id) => !ids.has(id))).toEqual([])
  expect(ids.size - answered.size).toBeLessThanOrEqual(unanswered)
  const delivered = new Set(
    listed.filter((event) => event.status === 'delivered').map((event) => event.event_id),
  )
  expect([...acked].filter((id) => !delivered.has(id))).toEqual([])
  console.info(
    `${KILLS} kills, ${answered.size} times 202,`,
    `${ids.size} rows (${ids.size - answered.size} stored whose answer was lost), total ${metrics.total},`,
    `${acked.size} acks answered, ${delivered.size} delivered`,
  )
  await server.stop()
}, 300_000)
