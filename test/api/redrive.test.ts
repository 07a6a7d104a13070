import { expect } from 'vitest'
import { test } from '../support/world'

test('redrives by the reason that was given, however long it was', async ({ inbox }) => {
  const reasons = {
    long: 'x'.repeat(1_500),
    // The cut falls into the middle of a character.
    halved: `${'x'.repeat(999)}😀 and more`,
    broken: 'half a character: \ud83d, and more',
  }
  for (const [id, reason] of Object.entries(reasons)) {
    await inbox.postId(id)
    for (let n = 0; n < 3; n++) await inbox.nack(id, reason)
    expect(await inbox.event(id)).toMatchObject({ status: 'failed' })
    const redriven = await inbox.call('POST', '/dlq/retry', { reason })
    expect([id, redriven.body.data]).toEqual([id, { redriven: 1, skipped: 0 }])
  }
})

test('redrives by the reason that the dead letter shows', async ({ inbox }) => {
  await inbox.postId('shown')
  for (let n = 0; n < 3; n++) await inbox.nack('shown', `${'y'.repeat(999)}😀`)
  const reasonShown = async () =>
    (await inbox.deadLetters()).find(({ event_id }) => event_id === 'shown')?.reason
  await expect.poll(reasonShown).toHaveLength(1_000)
  const reason = await reasonShown()
  const redriven = await inbox.call('POST', '/dlq/retry', { reason })
  expect(redriven.body.data).toEqual({ redriven: 1, skipped: 0 })
})
