import { describe, expect } from 'vitest'
import { FIRST_COLUMNS } from '../support/schema'
import { type Inbox, inParallel, test as base } from '../support/world'

// One shard, so that all events of a test are in one batch.
const test = base.override('vars', { SHARD_COUNT: '1' })

const refuse = (inbox: Inbox, id: string) => inbox.refuse('INSERT', `NEW.event_id = '${id}'`)

describe('an event that D1 refuses', () => {
  test('among 500 is isolated in one drain, tried MAX_RETRIES times, and dead-lettered; the others are stored', async ({
    inbox,
  }) => {
    await refuse(inbox, 'poison')
    const ids = Array.from({ length: 500 }, (_, n) => (n === 250 ? 'poison' : `n-${n}`))
    await inbox.withoutD1(() =>
      inParallel(ids.length, 50, async (n) => void (await inbox.postId(ids[n] ?? ''))),
    )
    await expect.poll(async () => (await inbox.rows()).length, { interval: 5 }).toBe(499)
    // The others are there while it still has its retries before it.
    expect(await inbox.event('poison')).toMatchObject({
      status: 'pending',
      payload: { event_id: 'poison' },
    })
    expect(await inbox.metrics()).toMatchObject({ pending: 500, failed: 0, queue_depth: 1 })
    expect(await inbox.shardRows(0, 'SELECT event_id, attempts FROM parked')).toEqual([
      { event_id: 'poison', attempts: 1 },
    ])
    const first = (await inbox.event('poison')).retry_count

    await expect.poll(async () => (await inbox.event('poison')).status).toBe('failed')
    expect(await inbox.metrics()).toMatchObject({
      total: 500,
      pending: 499,
      failed: 1,
      queue_depth: 0,
      dlq_count: 1,
    })
    expect((await inbox.event('poison')).retry_count).toBe(first + 2)
    await expect.poll(inbox.deadLetters).toMatchObject([
      {
        event_id: 'poison',
        shard: 'shard-0',
        reason: 'The database refused the event: it breaks a rule of the database.',
        retry_count: first + 2,
      },
    ])
    const listed = await inbox.get('/inbox?limit=1')
    expect(listed.body).toMatchObject({ total: 500, unstored: 1 })
    await inbox.expectVerified()
  })

  test('is stored once D1 takes it and it is redriven, and leaves the dead letters', async ({
    inbox,
  }) => {
    await inbox.takeAgain()
    const before = await inbox.event('poison')
    expect((await inbox.retry('poison')).body.data).toMatchObject({
      status: 'pending',
      retry_count: before.retry_count + 1,
    })
    await inbox.drained()
    expect(await inbox.rows("event_id = 'poison'")).toMatchObject([
      { status: 'pending', payload: '{"event_id":"poison"}' },
    ])
    await expect.poll(inbox.deadLetters).toEqual([])
    expect(await inbox.metrics()).toMatchObject({
      total: 500,
      pending: 500,
      failed: 0,
      dlq_count: 0,
    })
    await inbox.expectVerified()
  })

  test('because another one has its id there does not overwrite that one', async ({ inbox }) => {
    const other = [
      'taken',
      '{"other":true}',
      null,
      'pending',
      '2020-01-01T00:00:00.000Z',
      '2020-01-01T00:00:00.000Z',
      0,
    ]
    await inbox.db
      .prepare(`INSERT INTO events (${FIRST_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
      .bind(...other)
      .run()
    await inbox.postId('taken')
    await expect
      .poll(async () => (await inbox.deadLetters()).map(({ reason }) => reason))
      .toEqual(['The database refused the event: it holds another one under this event_id.'])
    expect(await inbox.rows("event_id = 'taken'")).toMatchObject([{ payload: '{"other":true}' }])
    expect((await inbox.event('taken')).payload).toEqual({ event_id: 'taken' })
    expect((await inbox.call('DELETE', '/inbox/taken')).status).toBe(200)
    await expect.poll(inbox.deadLetters).toEqual([])
  })

  test('of 800 KB goes through failure and redrive whole', async ({ inbox }) => {
    const payload = { text: 'é"'.repeat(200_000) }
    await refuse(inbox, 'large')
    expect((await inbox.post({ event_id: 'large', payload, metadata: { a: 1 } })).status).toBe(202)
    await expect.poll(async () => (await inbox.event('large')).status).toBe('failed')
    await expect
      .poll(async () => (await inbox.deadLetters()).map(({ event_id }) => event_id))
      .toEqual(['large'])
    await inbox.takeAgain()
    await inbox.call('POST', '/dlq/retry', { event_ids: ['large'] })
    await inbox.drained()
    expect(await inbox.rows("event_id = 'large'")).toMatchObject([
      { payload: JSON.stringify(payload), metadata: '{"a":1}', status: 'pending' },
    ])
    await inbox.expectVerified()
  })

  test('can be acknowledged meanwhile, and D1 is told as soon as it takes it', async ({
    inbox,
  }) => {
    await refuse(inbox, 'early')
    await inbox.postId('early')
    await expect.poll(async () => (await inbox.event('early')).retry_count).toBeGreaterThan(0)
    expect((await inbox.ack('early')).status).toBe(200)
    await inbox.takeAgain()
    await inbox.drained()
    expect(await inbox.rows("event_id = 'early'")).toMatchObject([{ status: 'delivered' }])
    await inbox.expectVerified()
  })

  test('to change is tried again until it takes the change, and blocks no other', async ({
    inbox,
  }) => {
    await inbox.postId('stubborn')
    await inbox.drained()
    await inbox.refuse('UPDATE', "NEW.event_id = 'stubborn'")
    await inbox.ack('stubborn')
    await inbox.postId('neighbour')
    await inbox.drained()
    expect(
      await inbox.rows("event_id IN ('stubborn', 'neighbour') ORDER BY event_id"),
    ).toMatchObject([{ event_id: 'neighbour' }, { status: 'pending' }])
    const { behind } = await inbox.verify()
    const created = (await inbox.event('stubborn')).created_at
    expect(behind).toContain(created.slice(0, 'yyyy-mm-ddThh'.length))
    await inbox.takeAgain()
    await expect
      .poll(() => inbox.rows("event_id = 'stubborn'"))
      .toMatchObject([{ status: 'delivered' }])
    await inbox.expectVerified()
  })
})
