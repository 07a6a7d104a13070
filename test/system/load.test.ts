import { expect } from 'vitest'
import type { Metrics } from '../../client/types'
import { inParallel, SHARDS, test } from '../support/world'

const POSTS = 2_000
const CONCURRENCY = 64

test(`${POSTS} posts at concurrency ${CONCURRENCY}: answers, counters and rows are the same number`, async ({
  inbox,
}) => {
  let sent = 0
  let accepted = 0
  let loading = true
  const samples: { acceptedBefore: number; sentAfter: number; metrics: Metrics }[] = []
  const sample = async () => {
    while (loading) {
      const acceptedBefore = accepted
      const metrics = await inbox.metrics()
      samples.push({ acceptedBefore, sentAfter: sent, metrics })
    }
  }
  const sampling = sample()
  const startedAt = performance.now()
  await inParallel(POSTS, CONCURRENCY, async (n) => {
    sent++
    const { status } = await inbox.post({ payload: { n } })
    if (status === 202) accepted++
  })
  const loadMs = performance.now() - startedAt
  loading = false
  await sampling
  await inbox.drained()
  const drainMs = performance.now() - startedAt - loadMs

  expect(accepted).toBe(POSTS)
  expect(samples.length).toBeGreaterThan(3)
  for (const { acceptedBefore, sentAfter, metrics } of samples) {
    expect(metrics.total).toBe(metrics.pending + metrics.delivered + metrics.failed)
    expect(metrics.total).toBeGreaterThanOrEqual(acceptedBefore)
    expect(metrics.total).toBeLessThanOrEqual(sentAfter)
    expect(metrics.queue_depth).toBeLessThanOrEqual(metrics.total)
  }
  expect(await inbox.metrics()).toMatchObject({ total: POSTS, pending: POSTS, queue_depth: 0 })
  expect(await inbox.db.prepare('SELECT count(*) AS n FROM events').first('n')).toBe(POSTS)

  const perShard = []
  for (let shard = 0; shard < SHARDS; shard++) {
    const [counts] = await inbox.shardRows(
      shard,
      `SELECT pending, queue_depth, (SELECT count(*) FROM events) AS rows, (SELECT count(*) FROM journal) AS journal
       FROM counters`,
    )
    const ids = (await inbox.shardRows(shard, 'SELECT event_id FROM events')).map(
      (row) => row.event_id,
    )
    const inD1 = await inbox.db
      .prepare(
        'SELECT count(*) AS n FROM events WHERE event_id IN (SELECT value FROM json_each(?))',
      )
      .bind(JSON.stringify(ids))
      .first('n')
    expect(counts).toEqual({ pending: inD1, queue_depth: 0, rows: inD1, journal: 0 })
    perShard.push(inD1)
  }
  console.info(
    `${POSTS} posts in ${Math.round(loadMs)} ms, drained ${Math.round(drainMs)} ms later,`,
    `${samples.length} samples of /metrics; per shard: ${perShard.join(' + ')} = ${POSTS}`,
  )
})
