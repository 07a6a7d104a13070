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
  const unproven = await inbox.call('POST', '/in/github', {})
  expect(unproven.status).toBe(401)
  expect((await inbox.ack('mixed')).status).toBe(200)
})
