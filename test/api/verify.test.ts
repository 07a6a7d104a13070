import { expect } from 'vitest'
import { addPast, DAY_MS } from '../support/past'
import { shardOf } from '../support/shards'
import { test } from '../support/world'

test('finds a counter and a row that were changed by hand, and names them', async ({ inbox }) => {
  const created = Date.now() - 7 * DAY_MS
  await addPast(inbox, ['v1', 'v2', 'v3'], 'pending', created)
  expect(await inbox.verify()).toMatchObject({ total: 3, verified: true, differences: [] })

  const shard = shardOf('v1')
  await inbox.shardRows(shard, 'UPDATE counters SET delivered = delivered + 5')
  await inbox.db.exec("DELETE FROM events WHERE event_id = 'v2'")
  const period = new Date(created).toISOString().slice(0, 'yyyy-mm-dd'.length)
  expect(await inbox.verify()).toMatchObject({
    verified: false,
    behind: [],
    moving: [],
    differences: [
      { where: `shard-${shard}`, what: 'delivered', expected: 0, found: 5 },
      { where: 'D1', what: 'pending', expected: 3, found: 2, period },
    ],
  })
  expect((await inbox.get('/metrics?verify=2')).status).toBe(400)
})
