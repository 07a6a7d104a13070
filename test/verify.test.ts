import { expect } from 'vitest'
import { SHARDS, test } from './world'

test('finds a counter and a row that were changed by hand, and names them', async ({ inbox }) => {
  const verify = async () =>
    (await inbox.get<{ verified: boolean; differences: unknown[] }>('/metrics?verify=1')).body.data
  for (const id of ['v1', 'v2', 'v3']) await inbox.postId(id)
  expect(await verify()).toMatchObject({ total: 3, verified: true, differences: [] })

  const holders = []
  for (let shard = 0; shard < SHARDS; shard++) {
    if ((await inbox.shardRows(shard, "SELECT 1 FROM events WHERE event_id = 'v1'")).length > 0)
      holders.push(shard)
  }
  const where = `shard-${holders[0]}`
  await inbox.shardRows(holders[0] ?? 0, 'UPDATE counters SET delivered = delivered + 5')
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'v2'")
  expect(await verify()).toMatchObject({
    verified: false,
    differences: [
      { where, what: 'delivered', expected: 0, found: 5 },
      { where: 'D1', what: 'pending', expected: 3, found: 2 },
    ],
  })
  expect((await inbox.get('/metrics?verify=2')).status).toBe(400)
})
