import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFile, startServer, storageFolder } from '../support/server-process'

/** Runs a statement on every SQLite file of a kind in a server's storage folder. */
function inFiles(
  folder: string,
  kind: 'd1/miniflare-D1DatabaseObject' | 'do/event-inbox-EventShard',
  sql: string,
): unknown[] {
  const files = readdirSync(join(folder, 'v3', kind)).filter((name) =>
    /^[0-9a-f]{64}\.sqlite$/.test(name),
  )
  return files.flatMap((name) => {
    const file = openFile(join(folder, 'v3', kind, name))
    const table = /(?:FROM|TABLE) (\w+)/.exec(sql)?.[1] ?? ''
    // A shard that never had an alarm has no table for it.
    const there = file.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table)
    const rows = there ? file.prepare(sql).all() : []
    file.close()
    return rows
  })
}

test('the alarm is armed while there is work, and only then; cron revives a shard whose alarm is gone', async () => {
  const folder = storageFolder()
  const alarms = () =>
    inFiles(
      folder,
      'do/event-inbox-EventShard',
      'SELECT key FROM _cf_METADATA WHERE key = 1 AND value IS NOT NULL',
    ).length
  const journals = () =>
    inFiles(folder, 'do/event-inbox-EventShard', 'SELECT seq FROM journal').length
  const first = await startServer(folder)
  await first.postId('stored')
  await first.drained()
  await expect.poll(alarms).toBe(0)

  inFiles(folder, 'd1/miniflare-D1DatabaseObject', 'ALTER TABLE events RENAME TO events_away')
  await first.postId('stranded')
  await expect.poll(alarms).toBe(1)
  await first.stop('SIGKILL')

  inFiles(folder, 'do/event-inbox-EventShard', 'DELETE FROM _cf_METADATA WHERE key = 1')
  inFiles(folder, 'd1/miniflare-D1DatabaseObject', 'ALTER TABLE events_away RENAME TO events')
  const scheduler = openFile(join(folder, 'v3/do/event-inbox-EventShard/metadata.sqlite'))
  scheduler.exec('DELETE FROM _cf_ALARM')
  scheduler.close()
  const second = await startServer(folder)
  expect(await second.metrics()).toMatchObject({ total: 2, queue_depth: 1 })
  expect([alarms(), journals()]).toEqual([0, 1])

  await fetch(new URL('/cdn-cgi/handler/scheduled', second.url))
  await expect.poll(async () => (await second.metrics()).queue_depth).toBe(0)
  expect((await second.client.list()).data).toHaveLength(2)
  await second.stop()
}, 240_000)
