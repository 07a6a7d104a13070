import { expect } from 'vitest'
import { logged } from '../support/logs'
import { inParallel, test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', LOG_LEVEL: 'debug' })

test('a drain is a debug line, a warning for each failure, and one line of all it concerned once D1 is back', async ({
  inbox,
  server,
}) => {
  await inbox.postId('quiet')
  await expect
    .poll(() => logged(server, 'D1 was told'))
    .toMatchObject([{ level: 'debug', shard: 'shard-0', events: 1, refused: 0 }])
  const failures = () => logged(server, 'D1 did not take a write; it will be tried again')
  await inbox.withoutD1(async () => {
    await inParallel(30, 30, async (n) => {
      const body = { event_id: `out-${n}`, payload: {} }
      expect((await inbox.post(body, { 'X-Correlation-ID': `trace-${n}` })).status).toBe(202)
    })
    await inbox.ack('quiet')
    await expect.poll(async () => (await inbox.event('out-29')).retry_count).toBeGreaterThan(1)
  })
  await inbox.drained()
  const back = logged(server, 'D1 takes writes again')
  expect(back).toMatchObject([
    {
      level: 'info',
      attempts: failures().length,
      since: expect.any(String),
      waiting: { events: 30, changes: 1 },
    },
  ])
  const ids = new Set(Array.from({ length: 30 }, (_, n) => `trace-${n}`))
  for (const { level, events, retry_in_ms } of failures()) {
    expect([level, Number(events) > 0]).toEqual(['warn', true])
    // A D1 that is away is not asked for less, and less, at once.
    expect(retry_in_ms).toBeGreaterThanOrEqual(1_000)
  }
  const named = back[0]?.correlation_ids as string[]
  expect([named.length, new Set(named).size]).toEqual([20, 20])
  expect(named.filter((id) => ids.has(id))).toEqual(named)
  await inbox.expectVerified()
})
