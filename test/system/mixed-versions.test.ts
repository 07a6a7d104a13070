import { expect } from 'vitest'
import { test as base } from '../support/world'

/** While a version is deployed, its workers meet shards of the one before. */

const test = base.extend('main', { scope: 'file' }, async () => 'test/support/former-shards.ts')

test('a worker answers as usual over shards of the version before', async ({ inbox }) => {
  const posted = await inbox.post({ event_id: 'mixed', payload: {} })
  expect(posted.status).toBe(202)
  const listed = await inbox.get('/inbox')
  expect([listed.status, listed.body]).toMatchObject([
    200,
    { total: 1, unstored: 0, stale: 0, data: [{ event_id: 'mixed' }] },
  ])
  const metrics = await inbox.metrics()
  expect(metrics).toMatchObject({ total: 1, pending: 1 })
  const { per_hour } = await inbox.client.metrics({ chart: 'day' })
  expect(per_hour?.[23]).toMatchObject({ accepted: 0 })
  const unproven = await inbox.call('POST', '/in/github', {})
  expect(unproven.status).toBe(401)
  expect((await inbox.ack('mixed')).status).toBe(200)
})

test('a worker records, compares and forgets the dead letters of shards of the version before', async ({
  inbox,
}) => {
  for (const id of ['kept', 'redriven', 'lost']) {
    await inbox.postId(id)
    for (let nacks = 0; nacks < 3; nacks++) await inbox.nack(id, `${id}: no`)
  }
  const letters = async () => {
    const found = await inbox.deadLetters()
    return found.map(({ event_id, subscription }) => `${event_id}: ${subscription}`).toSorted()
  }
  await expect.poll(letters).toEqual(['kept: inbox', 'lost: inbox', 'redriven: inbox'])
  expect(await inbox.metrics()).toMatchObject({ failed: 3, dlq_count: 3 })
  await inbox.expectVerified()
  // Such a shard removes them where that version had them, and nowhere else.
  const redrive = { reason: 'redriven: no' }
  expect((await inbox.call('POST', '/dlq/retry', redrive)).status).toBe(200)
  await expect.poll(letters).toEqual(['kept: inbox', 'lost: inbox'])
  await inbox.expectVerified()
  // It cannot do so in one subscription alone, and must not do it in all.
  const inOne = { reason: 'kept: no', subscription: 'billing' }
  const refused = await inbox.call('POST', '/dlq/retry', inOne)
  expect([refused.status, refused.headers.has('Retry-After')]).toEqual([503, true])
  expect(await letters()).toEqual(['kept: inbox', 'lost: inbox'])

  await inbox.db.exec("DELETE FROM dead_letters WHERE event_id = 'lost'")
  expect(await inbox.verify()).toMatchObject({ resent_dead_letters: 1 })
  await inbox.expectVerified()
  await inbox.db.exec("UPDATE dead_letters SET event_id = 'stray' WHERE event_id = 'kept'")
  expect((await inbox.verify()).differences).toHaveLength(2)
  await inbox.expectVerified()
  expect(await letters()).toEqual(['kept: inbox', 'lost: inbox'])
})

test('a worker says that nothing can be claimed yet, and held, of shards of the version before', async ({
  inbox,
}) => {
  await inbox.postId('not-yet')
  const unavailable = async (answer: ReturnType<typeof inbox.call>) => {
    const { status, body, headers } = await answer
    return [status, body.code, headers.has('Retry-After')]
  }
  const silent = [503, 'UNAVAILABLE', true]
  expect(await unavailable(inbox.call('POST', '/inbox/claim'))).toEqual(silent)
  const token = '0.AAAAAAAAAAAAAAAAAAAAAA'
  expect(await unavailable(inbox.call('POST', `/leases/${token}/settle`, { ack: ['a'] }))).toEqual(
    silent,
  )
  expect(await unavailable(inbox.call('POST', `/leases/${token}/extend`, {}))).toEqual(silent)
  // One that waits is told that there was nothing.
  const waited = await inbox.claim({ wait_seconds: 1 })
  expect(waited.body).toMatchObject({ data: [], lease: null })
  expect(await inbox.client.subscriptions()).toMatchObject([{ name: 'inbox', open: 0 }])
  expect(await inbox.subscription()).toMatchObject({ leases: [], waiting: 0 })
  expect((await inbox.ack('not-yet')).status).toBe(200)
})
