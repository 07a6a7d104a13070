import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { deadLetterBatches, deadLetterMessage } from '../../shared/dead-letter'
import { logged, logText } from '../support/logs'
import { test as base } from '../support/world'

// One shard, so that all events of a test are in one batch.
const test = base.override('vars', { SHARD_COUNT: '1' })

describe('a dead letter', () => {
  const fail = async (
    inbox: {
      postId(id: string): Promise<string>
      nack(id: string, error?: string): Promise<unknown>
    },
    id: string,
    reason: string,
  ) => {
    await inbox.postId(id)
    for (let n = 0; n < 3; n++) await inbox.nack(id, reason)
  }

  test('is one row, however often the queue brings it', async ({ inbox }) => {
    await fail(inbox, 'repeated', 'card declined')
    await expect
      .poll(inbox.deadLetters)
      .toMatchObject([{ event_id: 'repeated', reason: 'card declined', retry_count: 3 }])
    const [letter] = await inbox.deadLetters()
    await inbox.dlq.send(JSON.stringify(letter), { contentType: 'text' })
    await inbox.dlq.send(
      JSON.stringify({ ...letter, event_id: 'marker', failed_at: '2020-01-01T00:00:00.000Z' }),
      { contentType: 'text' },
    )
    // The marker comes behind it, belongs to no failed event, and so vanishes again.
    await expect.poll(async () => (await inbox.deadLetters()).length).toBe(1)
    expect(await inbox.deadLetters()).toEqual([letter])
  })

  test('that comes late, after its event was redriven, does not stay', async ({
    inbox,
    server,
  }) => {
    const [letter] = await inbox.deadLetters()
    await inbox.retry('repeated')
    await expect.poll(inbox.deadLetters).toEqual([])
    server.clearLogs()
    await inbox.dlq.send(JSON.stringify(letter), { contentType: 'text' })
    await expect.poll(() => logText(server)).toContain('event failed')
    expect(await inbox.deadLetters()).toEqual([])
  })

  test('is told in one structured line with its correlation id', async ({ inbox, server }) => {
    server.clearLogs()
    await inbox.post({ event_id: 'traced', payload: {} }, { 'X-Correlation-ID': 'trace-me' })
    for (let n = 0; n < 3; n++) await inbox.nack('traced', 'no')
    await expect
      .poll(() => logged(server, 'event failed'))
      .toMatchObject([
        {
          level: 'error',
          event_id: 'traced',
          correlation_id: 'trace-me',
          shard: 'shard-0',
          reason: 'no',
        },
      ])
    expect(
      (await inbox.deadLetters()).find(({ event_id }) => event_id === 'traced')?.correlation_id,
    ).toBe('trace-me')
  })

  test('waits in the queue while D1 cannot take it, and in the shard while its body cannot be read', async ({
    inbox,
  }) => {
    await inbox.db.exec('ALTER TABLE letters RENAME TO letters_away')
    await fail(inbox, 'patient', 'no')
    await inbox.drained()
    await inbox.withoutD1(() => fail(inbox, 'patient-too', 'no'))
    await expect
      .poll(() =>
        inbox.shardRows(
          0,
          "SELECT 1 FROM letters WHERE event_id LIKE 'patient%' AND sent_at IS NOT NULL",
        ),
      )
      .toHaveLength(2)
    expect((await inbox.get('/dlq')).status).toBe(503)
    await inbox.db.exec('ALTER TABLE letters_away RENAME TO letters')
    await expect
      .poll(async () =>
        (await inbox.deadLetters()).filter(({ event_id }) => event_id.startsWith('patient')),
      )
      .toHaveLength(2)
    expect(await inbox.shardRows(0, 'SELECT 1 FROM letters WHERE recorded = 0')).toEqual([])
  })

  test('can be redriven by id, by reason, or with all others, and its letter goes', async ({
    inbox,
  }) => {
    for (const [id, reason] of [
      ['r1', 'timeout'],
      ['r2', 'timeout'],
      ['r3', 'bad address'],
      ['r4', 'bad address'],
    ] as const)
      await fail(inbox, id, reason)
    await expect
      .poll(async () => (await inbox.deadLetters()).length)
      .toBe((await inbox.metrics()).failed)
    const before = await inbox.metrics()
    expect(before.dlq_count).toBe(before.failed)
    const { client } = inbox
    const some = await client.redrive({ event_ids: ['r1', 'r1', 'unknown'] })
    expect(some).toEqual({ redriven: 1, skipped: 2 })
    expect(await client.redrive({ reason: 'bad address' })).toEqual({ redriven: 2, skipped: 0 })
    expect(await client.redrive({ reason: 'no such reason' })).toEqual({ redriven: 0, skipped: 0 })
    expect((await inbox.metrics()).dlq_count).toBe(before.dlq_count - 3)
    expect(await client.redrive({ all: true })).toEqual({
      redriven: before.dlq_count - 3,
      skipped: 0,
    })
    await expect.poll(inbox.deadLetters).toEqual([])
    expect(await inbox.metrics()).toMatchObject({
      dlq_count: 0,
      failed: 0,
      pending: before.pending + before.failed,
    })
    expect(await inbox.event('r3')).toMatchObject({ status: 'pending', retry_count: 4 })
    await inbox.expectVerified()
    for (const body of [{}, { all: false }, { all: true, reason: 'x' }, { reason: 1 }]) {
      expect((await inbox.call('POST', '/dlq/retry', body)).status).toBe(400)
    }
  })
})

describe('the queue message', () => {
  const state = {
    event_id: 'a',
    status: 'failed' as const,
    retry_count: 3,
    nacks: 0,
    created_at: 1,
    updated_at: 2,
    correlation_id: 'c',
  }
  const letter = { event_id: 'a', subscription: 'inbox', reason: 'no "such" thing', failed_at: 0 }
  const size = (text: string) => Buffer.byteLength(text)

  test('carries the body as it was sent while it stays under 100 KB, and says so when it does not', () => {
    const told = {
      event_id: 'a',
      subscription: 'inbox',
      shard: 'shard-1',
      reason: letter.reason,
      retry_count: 3,
      correlation_id: 'c',
      failed_at: '1970-01-01T00:00:00.000Z',
    }
    const small = deadLetterMessage('shard-1', state, letter, {
      payload: '{"n":1.0}',
      metadata: null,
    })
    expect(small).toContain('"payload":{"n":1.0},"metadata":null}')
    expect(JSON.parse(small)).toEqual({ ...told, payload: { n: 1 }, metadata: null })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 120_000 }),
        fc.constantFrom('a', 'é', '😀'),
        (length, unit) => {
          const payload = JSON.stringify({ text: unit.repeat(length) })
          const message = deadLetterMessage('shard-1', state, letter, { payload, metadata: '{}' })
          expect(size(message)).toBeLessThanOrEqual(100_000)
          if (message.includes('payload_omitted')) expect(size(payload)).toBeGreaterThan(99_000)
          else expect(JSON.parse(message).payload).toEqual(JSON.parse(payload))
        },
      ),
    )
    expect(JSON.parse(deadLetterMessage('shard-1', state, letter, null))).toEqual({
      ...told,
      payload_omitted: true,
    })
  })

  test('travels in batches the queue takes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 300 }), (sizes) => {
        const messages = sizes.map((length) => 'x'.repeat(length))
        const batches = deadLetterBatches(messages)
        expect(batches.flat().map(({ body }) => body.length)).toEqual(sizes)
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(100)
          expect(batch.reduce((sum, { body }) => sum + body.length, 0)).toBeLessThanOrEqual(256_000)
        }
      }),
      { numRuns: 30 },
    )
  })
})
