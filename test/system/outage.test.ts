import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test as plain } from 'vitest'
import { openFile, startServer, storageFolder } from '../support/server-process'
import { inParallel, SHARDS, test } from '../support/world'

describe('while D1 is unusable', () => {
  test('events are accepted and told of, nothing is dead-lettered, and all arrives once when it is back', async ({
    inbox,
  }) => {
    const timeline: string[] = []
    const startedAt = performance.now()
    const tell = (what: string) =>
      timeline.push(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${what}`)
    await inbox.postId('before')
    await inbox.drained()
    await inbox.withoutD1(async () => {
      tell('D1 away')
      await inParallel(300, 30, async (n) => void (await inbox.postId(`out-${n}`)))
      const first = await inbox.metrics()
      tell(
        `300 posts accepted; queue_depth ${first.queue_depth}, oldest ${first.oldest_unstored_seconds.toFixed(1)} s`,
      )
      expect(first).toMatchObject({ total: 301, pending: 301, queue_depth: 300, failed: 0 })
      expect(await inbox.event('out-7')).toMatchObject({
        status: 'pending',
        payload: { event_id: 'out-7' },
      })
      const listed = await inbox.get('/inbox')
      expect([listed.status, listed.headers.get('Retry-After'), listed.body.code]).toEqual([
        503,
        null,
        'NOT_CONFIGURED',
      ])
      await inbox.ack('out-1')

      // More attempts than would fail an event that D1 refuses.
      await expect
        .poll(async () => (await inbox.event('out-7')).retry_count, { timeout: 40_000 })
        .toBeGreaterThan(3)
      const waited = async () => (await inbox.metrics()).oldest_unstored_seconds
      await expect.poll(waited).toBeGreaterThan(first.oldest_unstored_seconds + 2)
      const later = await inbox.metrics()
      tell(
        `retry_count ${(await inbox.event('out-7')).retry_count}; oldest ${later.oldest_unstored_seconds.toFixed(1)} s`,
      )
      expect(later).toMatchObject({
        total: 301,
        pending: 300,
        delivered: 1,
        failed: 0,
        queue_depth: 300,
        dlq_count: 0,
      })
    })
    tell('D1 back')
    await expect.poll(async () => (await inbox.metrics()).queue_depth, { timeout: 60_000 }).toBe(0)
    tell('journal empty')
    const rows = await inbox.rows("event_id LIKE 'out-%'")
    expect(rows).toHaveLength(300)
    expect(
      rows.filter(({ status }) => status === 'delivered').map(({ event_id }) => event_id),
    ).toEqual(['out-1'])
    for (const { event_id, retry_count } of rows) {
      expect(retry_count).toBeGreaterThan(0)
      expect(retry_count).toBe((await inbox.event(event_id)).retry_count)
    }
    expect(await inbox.deadLetters()).toEqual([])
    expect((await inbox.event('before')).retry_count).toBe(0)
    await inbox.expectVerified()
    console.info(timeline.join('\n'))
  }, 120_000)

  test('an object that is evicted between accept and drain loses nothing', async ({
    inbox,
    server,
  }) => {
    const { total } = await inbox.metrics()
    await inbox.withoutD1(async () => {
      for (let n = 0; n < 20; n++) await inbox.postId(`evicted-${n}`)
      for (let shard = 0; shard < SHARDS; shard++) {
        await server.getWorker<Env>().evictDurableObject('SHARD', { name: `shard-${shard}` })
      }
      expect(await inbox.metrics()).toMatchObject({ total: total + 20, queue_depth: 20 })
    })
    await inbox.drained()
    expect(await inbox.rows("event_id LIKE 'evicted-%'")).toHaveLength(20)
    await inbox.expectVerified()
  })
})

plain(
  'while its file is locked from outside, D1 loses nothing either, and catches up by itself',
  async () => {
    const folder = storageFolder()
    const inbox = await startServer(folder)
    await inbox.postId('before')
    await inbox.drained()
    const files = join(folder, 'v3/d1/miniflare-D1DatabaseObject')
    const [file] = readdirSync(files).filter(
      (name) => name.endsWith('.sqlite') && !name.startsWith('metadata'),
    )
    const lock = openFile(join(files, file ?? ''))
    lock.exec('BEGIN IMMEDIATE')
    await inParallel(100, 20, async (n) => void (await inbox.postId(`locked-${n}`)))
    expect(await inbox.metrics()).toMatchObject({ total: 101, queue_depth: 100, failed: 0 })
    await expect
      .poll(async () => (await inbox.event('locked-1')).retry_count, { timeout: 40_000 })
      .toBeGreaterThan(1)
    lock.exec('ROLLBACK')
    lock.close()
    await expect.poll(async () => (await inbox.metrics()).queue_depth, { timeout: 60_000 }).toBe(0)
    expect(await inbox.verify()).toMatchObject({ total: 101, differences: [], dlq_count: 0 })
    await inbox.stop()
  },
  120_000,
)
