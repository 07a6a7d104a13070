import { expect } from 'vitest'
import { test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1' })

test('is the same wherever it is shown, while D1 is away and when it is back', async ({
  inbox,
}) => {
  const shown = async (id: string) => (await inbox.event(id)).retry_count
  /** What a verb answers is between what is shown before and after: attempts to store go on meanwhile. */
  const move = async (verb: 'ack' | 'nack' | 'retry', id: string) => {
    const before = await shown(id)
    const { status, body } = await inbox.call('POST', `/inbox/${id}/${verb}`)
    expect(status).toBe(200)
    const { retry_count } = body.data
    expect(retry_count).toBeGreaterThanOrEqual(before + (verb === 'ack' ? 0 : 1))
    expect(retry_count).toBeLessThanOrEqual(await shown(id))
    return retry_count
  }
  const fail = async (id: string) => {
    for (let nacks = 0; nacks < 2; nacks++) await move('nack', id)
    return move('nack', id)
  }
  let atFailure = 0
  await inbox.withoutD1(async () => {
    for (const id of ['acked', 'retried', 'failed']) await inbox.postId(id)
    const least = async () => Math.min(...(await Promise.all(['acked', 'failed'].map(shown))))
    await expect.poll(least).toBeGreaterThan(0)
    await move('ack', 'acked')
    await fail('retried')
    await move('retry', 'retried')
    atFailure = await fail('failed')
  })
  await inbox.restartShards()
  await inbox.expectVerified()
  const rows = await inbox.rows()
  expect(rows).toHaveLength(3)
  for (const { event_id, retry_count } of rows)
    expect([event_id, retry_count]).toEqual([event_id, await shown(event_id)])
  // The letter tells it as it was when it was sent.
  await expect.poll(inbox.deadLetters).toHaveLength(1)
  const [letter] = await inbox.deadLetters()
  expect(letter?.event_id).toBe('failed')
  expect(letter?.retry_count).toBeGreaterThanOrEqual(atFailure)
  expect(letter?.retry_count).toBeLessThanOrEqual(await shown('failed'))
})

test('has no part in attempts to store others of its commit, once D1 has it', async ({ inbox }) => {
  await inbox.withoutD1(async () => {
    const events = ['told', 'untold'].map((event_id) => ({ event_id, payload: {} }))
    await inbox.call('POST', '/events', events)
    await expect.poll(async () => (await inbox.event('untold')).retry_count).toBeGreaterThan(0)
    // As a step leaves the row that told D1 of a part of it.
    await inbox.shardRows(
      0,
      `UPDATE journal SET accepted = 1, bodies = '{}', entries = json_remove(entries, '$[0]') WHERE accepted = 2`,
    )
    expect((await inbox.nack('told')).body.data.retry_count).toBe(1)
    expect((await inbox.nack('untold')).body.data.retry_count).toBeGreaterThan(1)
  })
})
