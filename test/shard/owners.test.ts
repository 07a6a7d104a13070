import { expect } from 'vitest'
import type { NewEvent } from '../../shared/event'
import { startServer, storageFolder } from '../support/server-process'
import { shardOf } from '../support/shards'
import { type Inbox, test } from '../support/world'

type Server = Awaited<ReturnType<typeof startServer>>

const IDS_AN_ERA = 30
const ids = (era: string) => Array.from({ length: IDS_AN_ERA }, (_, n) => `${era}-${n}`)
const batchOf = (all: string[]) => all.map((event_id) => ({ event_id, payload: { event_id } }))
const withShards = (folder: string, count: number) =>
  startServer(folder, ['--var', `SHARD_COUNT:${count}`])
const postKeyed = (server: Server, n: number) =>
  server.post({ payload: { n } }, { 'Idempotency-Key': `key-${n}` })

test('SHARD_COUNT can be raised: events stay where they were, are found there, and are known there', async () => {
  const folder = storageFolder()
  const eras = [2, 3, 8]
  const deleted = (era: number) => `era-${era}-0`
  for (const [index, era] of eras.entries()) {
    const server = await withShards(folder, era)
    const earlier = eras.slice(0, index)
    const results = await server.call<{ status: string }[]>(
      'POST',
      '/events',
      batchOf([era, ...earlier].flatMap((each) => ids(`era-${each}`))),
    )
    const statuses = results.body.data.map(({ status }) => status)
    expect(statuses.slice(0, IDS_AN_ERA)).toEqual(ids('').map(() => 'accepted'))
    // All of the earlier ones are known, but for the one that was deleted last.
    const again = statuses.slice(IDS_AN_ERA)
    expect(again.filter((status) => status === 'accepted')).toHaveLength(Math.min(1, index))
    expect(new Set(again)).toEqual(new Set(index > 0 ? ['accepted', 'duplicate'] : []))
    expect((await postKeyed(server, era)).status).toBe(202)
    for (const each of earlier) {
      const replayed = await postKeyed(server, each)
      expect([replayed.status, replayed.headers.get('Idempotency-Replayed')]).toEqual([202, 'true'])
      expect((await server.post({ event_id: `era-${each}-1`, payload: {} })).status).toBe(409)
      // What is left to be done with each event of that era differs by the era that does it.
      const n = index * 4
      expect((await server.ack(`era-${each}-${n}`)).status).toBe(200)
      expect((await server.nack(`era-${each}-${n + 1}`)).status).toBe(200)
      const open = [`era-${each}-${n + 2}`, `era-${each}-${n + 3}`]
      expect((await server.call('POST', '/inbox/ack', { event_ids: open })).status).toBe(200)
      expect(await server.event(`era-${each}-${n + 2}`)).toMatchObject({ status: 'delivered' })
    }
    expect((await server.call('DELETE', `/inbox/${deleted(era)}`)).status).toBe(200)
    await server.drained()
    // The deleted one of each earlier era was accepted anew.
    expect(await server.verify()).toMatchObject({
      total: (index + 1) * (IDS_AN_ERA + 1) - 1,
      differences: [],
    })
    await server.stop()
  }

  const lowered = await withShards(folder, 3)
  expect(await lowered.post({ payload: {} })).toMatchObject({
    status: 503,
    body: { code: 'NOT_CONFIGURED' },
  })
  expect((await lowered.get('/metrics')).status).toBe(503)
  await lowered.stop()

  const back = await withShards(folder, 8)
  const { total, data } = await back.client.list({ limit: 1_000 })
  expect(total).toBe(eras.length * (IDS_AN_ERA + 1) - 1)
  expect(new Set(data.map((event) => event.event_id)).size).toBe(total)
  await back.stop()
}, 300_000)

const event = (event_id: string, payload = '{}'): NewEvent => ({
  event_id,
  payload,
  metadata: null,
  correlation_id: 'c',
})

/** An id that shard `former` owns with 8 shards, and `present` with 9. */
function moving(former: number, present: number, name: string): string {
  for (let n = 0; ; n++) {
    const id = `${name}-${n}`
    if (shardOf(id, 8) === former && shardOf(id, 9) === present) return id
  }
}

/** As a shard that backs off: D1 takes no write of it until it is released. */
async function hold(inbox: Inbox, index: number) {
  const shift = (by: number) =>
    inbox.db
      .prepare('UPDATE fences SET tick = tick + ? WHERE shard = ?')
      .bind(by, inbox.shardId(index))
      .run()
  await shift(1e15)
  return async () => {
    await shift(-1e15)
    const behind = async () => (await inbox.shardRows(index, 'SELECT 1 FROM journal')).length
    await expect.poll(behind, { timeout: 30_000 }).toBe(0)
  }
}

test('a worker that has not heard of more shards says so, rather than that there is no such event', async ({
  inbox,
  server,
}) => {
  expect((await inbox.get('/inbox/nowhere')).status).toBe(404)
  const held = ids('held').find((id) => shardOf(id, 2) === 1) ?? ''
  await inbox.postId(held)
  await inbox.shard(0).noteShardCount(9)
  // What it did with others of the same request it tells.
  const acks = await inbox.call<object[]>('POST', '/inbox/ack', { event_ids: [held, 'nowhere'] })
  expect([acks.status, acks.body.data]).toMatchObject([
    207,
    [{ status: 'delivered' }, { status: 'rejected', error: { code: 'UNAVAILABLE' } }],
  ])
  const answers = await Promise.all([
    inbox.get('/inbox/nowhere'),
    inbox.ack('nowhere'),
    inbox.get('/inbox'),
    inbox.get('/metrics'),
  ])
  for (const { status, body } of answers)
    expect([status, body.code]).toEqual([503, 'NOT_CONFIGURED'])
  // A shard that was told of more accepts nothing of it either.
  const late = ids('late').filter((id) => shardOf(id, 2) === 0)
  const posted = await inbox.post({ event_id: late[0], payload: {} })
  expect([posted.status, posted.body.code]).toEqual([503, 'NOT_CONFIGURED'])
  const batch = await inbox.call<object[]>('POST', '/events', batchOf(late.slice(1, 3)))
  const refused = { status: 'rejected', error: { code: 'NOT_CONFIGURED' } }
  expect(batch.body.data).toMatchObject([refused, refused])
  // Shards are revived by cron all the same.
  expect(await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })).toMatchObject({
    outcome: 'ok',
  })
})

test('an event accepted anew elsewhere takes the deleted one’s place, however late that one’s owner tells D1', async ({
  inbox,
}) => {
  const id = moving(1, 4, 'anew')
  const [former, present] = [inbox.shard(1), inbox.shard(4)]
  await former.accept([event(id, '{"n":1}')], [8])
  await former.flush()
  expect(await inbox.rows(`event_id = '${id}'`)).toMatchObject([{ payload: '{"n":1}' }])
  const release = await hold(inbox, 1)
  expect(await former.remove([id])).toEqual([id])
  expect(await present.accept([event(id, '{"n":2}')], [9, 8])).toMatchObject([
    { outcome: 'accepted' },
  ])
  expect(await present.flush()).toMatchObject({ unstored: 0, stale: 0 })
  const stored = [{ payload: '{"n":2}', status: 'pending', retry_count: 0 }]
  expect(await inbox.rows(`event_id = '${id}'`)).toMatchObject(stored)
  await release()
  expect(await inbox.rows(`event_id = '${id}'`)).toMatchObject(stored)
}, 60_000)

test('its dead letter stays, however late its former owner withdraws an older one', async ({
  inbox,
}) => {
  const id = moving(2, 5, 'failing')
  const letters = async () => {
    const find = inbox.db.prepare('SELECT shard FROM letters WHERE event_id = ?').bind(id)
    return (await find.all<{ shard: string }>()).results.map(({ shard }) => shard)
  }
  const fail = async (index: number) => {
    for (let nacks = 0; nacks < 4; nacks++) await inbox.shard(index).nack(id, 'no')
    await expect.poll(letters, { timeout: 20_000 }).toEqual([`shard-${index}`])
  }
  await inbox.shard(2).accept([event(id)], [8])
  await fail(2)
  const release = await hold(inbox, 2)
  await inbox.shard(2).remove([id])
  await inbox.shard(5).accept([event(id)], [9, 8])
  await fail(5)
  await release()
  expect(await letters()).toEqual(['shard-5'])
}, 60_000)

test('an event is later than all that its former owner did, whatever the clocks say', async ({
  inbox,
  server,
}) => {
  const id = moving(3, 6, 'clock')
  await inbox.shardRows(3, 'UPDATE counters SET clock = ?', Date.now() + 3_600_000)
  await server.getWorker<Env>().evictDurableObject('SHARD', { name: 'shard-3' })
  const [former, present] = [inbox.shard(3), inbox.shard(6)]
  await former.accept([event(id)], [8])
  expect(await former.remove([id])).toEqual([id])
  const { clock } = await former.handOver([], 9)
  const [again] = await present.accept([event(id)], [9, 8])
  if (again?.outcome !== 'accepted') throw new Error(`it is ${again?.outcome}`)
  expect(again.created_at).toBeGreaterThan(clock)
  expect(clock).toBeGreaterThan(Date.now() + 3_000_000)
})

test('a former owner that does not answer holds up the events it may have, and no others', async ({
  inbox,
}) => {
  const [known, mine, other] = [moving(4, 7, 'a'), moving(4, 7, 'b'), moving(5, 7, 'c')]
  expect(await inbox.shard(4).accept([event(known)], [8])).toMatchObject([{ outcome: 'accepted' }])
  await inbox.shardRows(4, 'ALTER TABLE events RENAME TO events_away')
  const made: NewEvent = { ...event(moving(4, 7, 'd')), isNew: true }
  const batch = [event(mine), event(other), made, event(known)]
  const outcomesOf = async () =>
    (await inbox.shard(7).accept(batch, [9, 8])).map(({ outcome }) => outcome)
  expect(await outcomesOf()).toEqual(['unanswered', 'accepted', 'accepted', 'unanswered'])
  await inbox.shardRows(4, 'ALTER TABLE events_away RENAME TO events')
  expect(await outcomesOf()).toEqual(['accepted', 'duplicate', 'duplicate', 'duplicate'])
})

test('a shard that its owner under a larger SHARD_COUNT has asked accepts nothing for a smaller one any more', async ({
  inbox,
}) => {
  const shard = inbox.shard(0)
  const accept = (id: string, count: number) => shard.accept([event(id)], [count])
  let refused = 0
  const accepted: string[] = []
  for (let count = 10; count < 40; count++) {
    const company = ids(`company-${count}`).slice(0, 3)
    // After a commit that several shared, the next one waits for company: it is still open when the larger count
    // comes in.
    await Promise.all(company.map((id) => accept(id, count)))
    const [late, handed] = await Promise.allSettled([
      accept(`late-${count}`, count),
      shard.handOver([{ event_id: `late-${count}` }, { event_id: company[0] ?? '' }], count + 1),
    ])
    if (handed.status === 'rejected') throw handed.reason
    const [ofLate, ofCompany] = handed.value.outcomes
    expect(ofCompany).toMatchObject({ outcome: 'duplicate', status: 'pending' })
    // Either it was there to be found, or it never will be.
    expect(ofLate === null).toBe(late.status === 'rejected')
    if (late.status === 'rejected') refused++
    else accepted.push(`late-${count}`)
    accepted.push(...company)
    const [behind] = await Promise.allSettled([accept(`behind-${count}`, count)])
    expect(behind.status).toBe('rejected')
  }
  expect(refused).toBeGreaterThan(0)
  const held = await inbox.shardRows(0, 'SELECT event_id FROM events')
  expect(held.map(({ event_id }) => event_id).toSorted()).toEqual(accepted.toSorted())
})
