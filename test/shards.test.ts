import { expect } from 'vitest'
import type { NewEvent } from '../objects/event'
import { fnv1a } from '../objects/hash'
import { startServer, storageFolder } from './server-process'
import { type InboxEvent, test } from './world'

type Server = Awaited<ReturnType<typeof startServer>>

const IDS_AN_ERA = 30
const ids = (era: string) => Array.from({ length: IDS_AN_ERA }, (_, n) => `${era}-${n}`)
const ownerOf = (id: string, count: number) => fnv1a(id) % count
const batchOf = (all: string[]) => all.map((event_id) => ({ event_id, payload: { event_id } }))
const withShards = (folder: string, count: number) =>
  startServer(folder, { flags: ['--var', `SHARD_COUNT:${count}`] })
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
    const { body } = await server.get<{ total: number; differences: unknown[] }>(
      '/metrics?verify=1',
    )
    // The deleted one of each earlier era was accepted anew.
    expect(body.data).toMatchObject({
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
  const { body } = await back.get<InboxEvent[]>('/inbox?limit=1000')
  expect(body.total).toBe(eras.length * (IDS_AN_ERA + 1) - 1)
  expect(new Set(body.data.map((event) => event.event_id)).size).toBe(body.total)
  await back.stop()
}, 120_000)

const event = (event_id: string): NewEvent => ({
  event_id,
  payload: '{}',
  metadata: null,
  correlation_id: 'c',
})

test('a shard that was asked for an event by its owner under a larger SHARD_COUNT accepts none for a smaller one any more', async ({
  inbox,
}) => {
  const shard = inbox.shard(0)
  const accept = (id: string, count: number) => shard.accept([event(id)], [count])
  let refused = 0
  const accepted: string[] = []
  for (let count = 10; count < 40; count++) {
    const company = ids(`company-${count}`).slice(0, 3)
    // After a commit that several shared, the next one waits for company: it is still open when the larger count comes in.
    await Promise.all(company.map((id) => accept(id, count)))
    const [late, firsts] = await Promise.allSettled([
      accept(`late-${count}`, count),
      shard.firsts([{ event_id: `late-${count}` }, { event_id: company[0] ?? '' }], count + 1),
    ])
    if (firsts.status === 'rejected') throw firsts.reason
    const [ofLate, ofCompany] = firsts.value.outcomes
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

test('an event that is accepted anew by another shard is later than all that its former owner did', async ({
  inbox,
  server,
}) => {
  const id = ids('moved').find((each) => ownerOf(each, 8) === 1 && ownerOf(each, 9) !== 1) ?? ''
  const [former, present] = [inbox.shard(1), inbox.shard(ownerOf(id, 9))]
  // The former owner's clock is an hour ahead.
  await inbox.shardRows(1, 'UPDATE counters SET clock = ?', Date.now() + 3_600_000)
  await server.getWorker<Env>().evictDurableObject('SHARD', { name: 'shard-1' })
  const [first] = await former.accept([event(id)], [8])
  expect(await former.remove([id])).toEqual([id])
  const { clock } = await former.firsts([], 9)
  const [again] = await present.accept([event(id)], [9, 8])
  expect(again).toMatchObject({ outcome: 'accepted' })
  expect(first?.created_at).toBeGreaterThan(Date.now() + 3_000_000)
  expect(again?.created_at).toBeGreaterThan(clock)
  await Promise.all([former.flush(), present.flush()])
  expect(await inbox.rows(`event_id = '${id}'`)).toHaveLength(1)
})
