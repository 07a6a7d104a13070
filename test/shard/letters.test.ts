import { describe, expect, onTestFinished, vi } from 'vitest'
import { cutReason, parseDeadLetter } from '../../shared/dead-letter'
import { recordDeadLetters } from '../../worker/dead-letter-log'
import { logged, logText } from '../support/logs'
import { idOf, shardOf } from '../support/shards'
import { test } from '../support/steering'
import type { Inbox } from '../support/world'

/** Nacks an event until it has failed. */
async function fail(inbox: Inbox, id: string, reason: string) {
  for (let n = 0; n < 3; n++) expect((await inbox.nack(id, reason)).status).toBe(200)
}

const letterOf = async (inbox: Inbox, id: string) =>
  (await inbox.deadLetters()).find(({ event_id }) => event_id === id)

const reasonOf = async (inbox: Inbox, id: string) => (await letterOf(inbox, id))?.reason

const lettersIn = (inbox: Inbox, id: string, where: string) =>
  inbox.shardRows(shardOf(id), `SELECT reason FROM letters WHERE event_id = ? AND ${where}`, id)

/** An event that failed twice, and the message about its first failure. */
async function failTwice(inbox: Inbox, id: string) {
  await inbox.postId(id)
  await fail(inbox, id, 'first')
  await expect.poll(() => reasonOf(inbox, id)).toBe('first')
  const message = JSON.stringify(await letterOf(inbox, id))
  await inbox.retry(id)
  await fail(inbox, id, 'second')
  return message
}

describe('an event that failed again', () => {
  test('while its first letter was on its way to the queue gets its second one sent as well', async ({
    inbox,
    steer,
  }) => {
    await steer({ faults: { sendBatch: 'hold' } })
    await failTwice(inbox, 'sending')
    await steer({ faults: {} })
    await expect.poll(() => reasonOf(inbox, 'sending')).toBe('second')
    await inbox.expectVerified()
  })

  test('is not taken for recorded, nor shown, by a first letter that comes late', async ({
    inbox,
    server,
    steer,
  }) => {
    await inbox.postId('recorded')
    await fail(inbox, 'recorded', 'first')
    await expect.poll(() => reasonOf(inbox, 'recorded')).toBe('first')
    const message = JSON.stringify(await letterOf(inbox, 'recorded'))
    await steer({ faults: { sendBatch: 'throw' } })
    await inbox.retry('recorded')
    await fail(inbox, 'recorded', 'second')
    await expect.poll(() => reasonOf(inbox, 'recorded')).toBe(undefined)
    server.clearLogs()
    await inbox.dlq.send(message, { contentType: 'text' })
    const taken = () => logged(server, 'dead letters taken')
    await expect.poll(taken).toHaveLength(1)
    expect(taken()[0]).toMatchObject({
      level: 'info',
      recorded: 0,
      withdrawn: 1,
    })
    expect(await reasonOf(inbox, 'recorded')).toBe(undefined)
    expect(await lettersIn(inbox, 'recorded', 'recorded = 0')).toEqual([{ reason: 'second' }])
    await steer({ faults: {} })
    await expect.poll(() => reasonOf(inbox, 'recorded')).toBe('second')
  })

  test('keeps its second letter, however late the first one comes again', async ({
    inbox,
    server,
  }) => {
    const message = await failTwice(inbox, 'kept')
    await expect.poll(() => reasonOf(inbox, 'kept')).toBe('second')
    server.clearLogs()
    await inbox.dlq.send(message, { contentType: 'text' })
    await expect.poll(() => logText(server)).toContain('"withdrawn":1')
    expect(await reasonOf(inbox, 'kept')).toBe('second')
  })
})

test('a letter that D1 never got is sent again by cron, a day after the queue took it', async ({
  inbox,
  server,
}) => {
  for (const id of ['lost', 'fresh', 'known']) {
    await inbox.postId(id)
    await fail(inbox, id, 'no')
    await expect.poll(() => lettersIn(inbox, id, 'recorded = 1')).toHaveLength(1)
  }
  await inbox.db.prepare("DELETE FROM letters WHERE event_id IN ('lost', 'fresh')").run()
  const age = async (id: string, hours: number) =>
    inbox.shardRows(
      shardOf(id),
      'UPDATE letters SET recorded = 0, sent_at = ? WHERE event_id = ?',
      Date.now() - hours * 3_600_000,
      id,
    )
  await age('lost', 25)
  await age('fresh', 23)
  await age('known', 25)
  await inbox.shardRows(
    shardOf('known'),
    "UPDATE letters SET recorded = 1 WHERE event_id = 'known'",
  )
  await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })
  await expect.poll(() => reasonOf(inbox, 'lost')).toBe('no')
  expect(await lettersIn(inbox, 'lost', 'recorded = 1')).toHaveLength(1)
  expect(await lettersIn(inbox, 'fresh', 'recorded = 0')).toHaveLength(1)
  const dayAgo = Date.now() - 24 * 3_600_000
  expect(await lettersIn(inbox, 'known', `sent_at < ${dayAgo}`)).toHaveLength(1)
})

test('a shard that does not answer holds up its own letters, which come again, and no others', async ({
  inbox,
  server,
  steer,
}) => {
  const [silent, other] = [idOf(0, 'both'), idOf(1, 'both')]
  for (const id of [silent, other]) {
    await inbox.postId(id)
    await fail(inbox, id, 'no')
    await expect.poll(() => lettersIn(inbox, id, 'recorded = 1')).toHaveLength(1)
    await inbox.shardRows(shardOf(id), 'UPDATE letters SET recorded = 0')
  }
  const messages = [await letterOf(inbox, silent), await letterOf(inbox, other)]
  server.clearLogs()
  await steer({ faults: { 'shard-0.recorded': 'hold' } })
  await inbox.dlq.sendBatch(
    messages.map((letter) => ({ body: JSON.stringify(letter), contentType: 'text' })),
  )
  await expect
    .poll(() => lettersIn(inbox, other, 'recorded = 1'), { timeout: 30_000 })
    .toHaveLength(1)
  const told = () => logged(server, 'event failed').map(({ event_id }) => event_id)
  await expect.poll(told, { timeout: 30_000 }).toEqual([other])
  await steer({ faults: {} })
  await expect
    .poll(() => lettersIn(inbox, silent, 'recorded = 1'), { timeout: 60_000 })
    .toHaveLength(1)
  await expect.poll(told).toEqual([other, silent])
}, 120_000)

describe('a message in the dead letter queue', () => {
  const letter = {
    event_id: 'a',
    subscription: 'inbox',
    shard: 'shard-1',
    reason: 'no',
    retry_count: 3,
    correlation_id: 'c',
    failed_at: '2026-11-21T11:58:24.968Z',
  }

  test('is a letter without its body, its reason no longer than reasons are', () => {
    const body = { payload: { n: 1 }, metadata: null }
    expect(parseDeadLetter(JSON.stringify({ ...letter, ...body }))).toEqual(letter)
    const long = { ...letter, reason: '\u0001'.repeat(100_000) }
    const parsed = parseDeadLetter(JSON.stringify(long))
    expect(parsed).toEqual({ ...letter, reason: cutReason(long.reason) })
    // A hundred of them fit into one parameter of D1.
    const longest = { ...parsed, event_id: 'x'.repeat(128), correlation_id: '"'.repeat(128) }
    expect(Buffer.byteLength(JSON.stringify(Array(100).fill(longest)))).toBeLessThan(2_000_000)
  })

  test('is dropped when it is no letter', () => {
    const wrong = [
      { event_id: 'no id' },
      { subscription: 'no name' },
      { subscription: 1 },
      { shard: 'shards-1' },
      { shard: 1 },
      { reason: null },
      { retry_count: 1.5 },
      { correlation_id: 'x'.repeat(129) },
      { failed_at: 'yesterday' },
    ]
    for (const each of wrong)
      expect([each, parseDeadLetter(JSON.stringify({ ...letter, ...each }))]).toEqual([each, null])
    for (const body of ['', '[]', 'null', '1', '{'])
      expect([body, parseDeadLetter(body)]).toEqual([body, null])
  })

  test('waits no longer than 10 seconds for a D1 that never answers', async () => {
    // Locally D1 cannot be made to hang alone: this stands for the silence, not for D1.
    const statement = { bind: () => statement, all: () => new Promise(() => {}) }
    const silent = { DB: { prepare: () => statement } } as unknown as Env
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    let outcome = 'waiting'
    void recordDeadLetters(silent, [letter]).catch((error) => (outcome = String(error)))
    await vi.advanceTimersByTimeAsync(9_999)
    expect(outcome).toBe('waiting')
    await vi.advanceTimersByTimeAsync(1)
    expect(outcome).toContain('no answer within 10000 ms')
  })
})
