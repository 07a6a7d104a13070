import { describe, expect, onTestFinished, vi } from 'vitest'
import { type D1Change, MAX_STEP_CHARS } from '../../d1/change'
import { recordLetters } from '../../d1/dead-letters'
import { writeToD1 } from '../../d1/writer'
import type { DeadLetterMessage } from '../../shared/dead-letter'
import type { EventState } from '../../shared/event'
import { type Inbox, test } from '../support/world'

const NO_CHANGE = { deleteBefore: 0, clearBefore: 0, clearNamed: [], insert: null, update: null }

const insertOf = (event_id: string, payload = '{}', created_at = 1): D1Change => ({
  ...NO_CHANGE,
  event_id,
  insert: {
    event_id,
    payload,
    metadata: null,
    status: 'pending',
    created_at,
    updated_at: 2,
    retry_count: 0,
    correlation_id: 'c',
    subscriptions: null,
  },
})
const updateOf = (event_id: string, state: Partial<EventState>): D1Change => ({
  ...NO_CHANGE,
  event_id,
  update: {
    event_id,
    status: 'pending',
    retry_count: 0,
    nacks: 0,
    created_at: 1,
    updated_at: 3,
    correlation_id: 'c',
    ...state,
  },
})
const fence = (shard: string, tick: number) => ({ shard, tick })
const deleteOf = (event_id: string): D1Change => ({
  ...NO_CHANGE,
  event_id,
  deleteBefore: Date.now(),
})

test('an update that lands after a newer one changes nothing', async ({ inbox }) => {
  await writeToD1(inbox.db, fence('s', 10), [insertOf('updated')])
  await writeToD1(inbox.db, fence('s', 12), [
    updateOf('updated', { status: 'delivered', updated_at: 12 }),
  ])
  const late = writeToD1(inbox.db, fence('s', 11), [
    updateOf('updated', { status: 'failed', retry_count: 9 }),
  ])
  await expect(late).rejects.toThrow('newer write')
  expect(await inbox.rows("event_id = 'updated'")).toMatchObject([
    { status: 'delivered', retry_count: 0 },
  ])
})

test('an update of an event that was deleted changes nothing of the one that has its id now', async ({
  inbox,
}) => {
  await writeToD1(inbox.db, fence('i', 10), [insertOf('same-id', '{}', 20)])
  await writeToD1(inbox.db, fence('i', 11), [
    updateOf('same-id', { status: 'failed', retry_count: 9, created_at: 1 }),
  ])
  expect(await inbox.rows("event_id = 'same-id'")).toMatchObject([
    { status: 'pending', retry_count: 0 },
  ])
})

test('a write without changes changes nothing, and fails when one with changes would', async ({
  inbox,
}) => {
  await writeToD1(inbox.db, fence('e', 10), [])
  await inbox.withoutD1(async () => {
    await expect(writeToD1(inbox.db, fence('e', 11), [])).rejects.toThrow('no such table')
  })
  await expect(writeToD1(inbox.db, fence('e', 9), [])).rejects.toThrow('newer write')
})

test('an insert that lands after the event was deleted does not bring it back, whether small or large', async ({
  inbox,
}) => {
  for (const payload of ['{}', JSON.stringify('x'.repeat(MAX_STEP_CHARS))]) {
    await writeToD1(inbox.db, fence(payload, 10), [insertOf('undead', payload)])
    await writeToD1(inbox.db, fence(payload, 12), [deleteOf('undead')])
    await expect(
      writeToD1(inbox.db, fence(payload, 11), [insertOf('undead', payload)]),
    ).rejects.toThrow('newer write')
    expect(await inbox.rows("event_id = 'undead'")).toEqual([])
  }
})

test('a deletion that lands after the id was accepted again leaves the new event', async ({
  inbox,
}) => {
  await writeToD1(inbox.db, fence('d', 12), [insertOf('again')])
  await expect(writeToD1(inbox.db, fence('d', 11), [deleteOf('again')])).rejects.toThrow(
    'newer write',
  )
  expect(await inbox.rows("event_id = 'again'")).toHaveLength(1)
})

test('a redrive that lands after the event failed again leaves the new dead letter', async ({
  inbox,
}) => {
  const letter = (failed_at: number) =>
    inbox.db
      .prepare("INSERT OR REPLACE INTO letters VALUES ('l', 'inbox', 'shard-0', 'r', 3, 'c', ?)")
      .bind(new Date(failed_at).toISOString())
      .run()
  const redriveAt = (clearBefore: number): D1Change => ({
    ...NO_CHANGE,
    event_id: 'l',
    clearBefore,
  })
  const count = () => inbox.db.prepare('SELECT count(*) AS n FROM letters').first('n')
  await letter(20)
  await writeToD1(inbox.db, fence('l', 10), [redriveAt(10)])
  expect(await count()).toBe(1)
  await writeToD1(inbox.db, fence('l', 30), [redriveAt(30)])
  expect(await count()).toBe(0)
})

describe('a redrive in some subscriptions', () => {
  const former: DeadLetterMessage = {
    event_id: 'pair',
    shard: 'shard-0',
    reason: 'r',
    retry_count: 3,
    correlation_id: 'c',
    failed_at: new Date(20).toISOString(),
  }
  const left = async (inbox: Inbox) => {
    const { results } = await inbox.db
      .prepare(
        `SELECT subscription AS name FROM letters WHERE event_id = 'pair' UNION ALL
         SELECT 'before' FROM dead_letters WHERE event_id = 'pair' ORDER BY name`,
      )
      .all<{ name: string }>()
    return results.map(({ name }) => name)
  }
  const redriven = (changes: Partial<D1Change>): D1Change[] => [
    { ...NO_CHANGE, event_id: 'pair', ...changes },
  ]

  test('leaves the letters of others, and those that came since', async ({ inbox }) => {
    const names = ['', 'billing', 'inbox', 'stock']
    const letters = names.map((subscription) => ({ ...former, subscription }))
    await recordLetters(inbox.db, [...letters, former])
    expect(await left(inbox)).toEqual(['', 'before', 'billing', 'inbox', 'stock'])
    const clearNamed: D1Change['clearNamed'] = [
      ['billing', 30],
      ['stock', 20],
      ['unknown', 30],
    ]
    await writeToD1(inbox.db, fence('p', 1), redriven({ clearNamed }))
    expect(await left(inbox)).toEqual(['', 'before', 'inbox', 'stock'])
    // What the version before recorded is of `inbox`.
    await writeToD1(inbox.db, fence('p', 2), redriven({ clearNamed: [['inbox', 30]] }))
    expect(await left(inbox)).toEqual(['', 'stock'])
    await expect(
      writeToD1(inbox.db, fence('p', 1), redriven({ clearNamed: [['stock', 30]] })),
    ).rejects.toThrow('newer write')
    expect(await left(inbox)).toEqual(['', 'stock'])
    await recordLetters(inbox.db, [former])
    await writeToD1(inbox.db, fence('p', 3), redriven({ clearBefore: 30 }))
    expect(await left(inbox)).toEqual([])
  })
})

test('an update of an event that another shard has accepted anew since leaves the new one', async ({
  inbox,
}) => {
  await writeToD1(inbox.db, fence('former', 1), [insertOf('moved', '{}', 1)])
  const anew = { ...insertOf('moved', '{}', 2), deleteBefore: 2 }
  await writeToD1(inbox.db, fence('present', 1), [anew])
  await writeToD1(inbox.db, fence('former', 2), [updateOf('moved', { status: 'failed' })])
  expect(await inbox.rows("event_id = 'moved'")).toMatchObject([{ status: 'pending' }])
})

test('other shards’ writes have an order of their own', async ({ inbox }) => {
  await writeToD1(inbox.db, fence('ahead', 1_000), [insertOf('ahead')])
  await writeToD1(inbox.db, fence('behind', 1), [insertOf('behind')])
  expect(await inbox.rows("event_id IN ('ahead', 'behind')")).toHaveLength(2)
})

test('a write whose answer was lost can be repeated; another event under its id cannot take its place', async ({
  inbox,
}) => {
  const changes = [insertOf('repeated', '{"n":1}'), insertOf('beside')]
  await writeToD1(inbox.db, fence('r', 1), changes)
  await writeToD1(inbox.db, fence('r', 2), changes)
  await expect(
    writeToD1(inbox.db, fence('r', 3), [insertOf('repeated', '{"n":2}', 99)]),
  ).rejects.toThrow('UNIQUE constraint failed: events.event_id')
  expect(await inbox.rows("event_id = 'repeated'")).toMatchObject([{ payload: '{"n":1}' }])
})

test('a D1 that never answers is given up after 10 seconds', async () => {
  // Locally D1 shares a process with its callers and cannot be made to hang alone: this stands for the silence, not
  // for D1.
  const statement = { bind: () => statement }
  const silent = {
    prepare: () => statement,
    batch: () => new Promise(() => {}),
  } as unknown as D1Database
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let outcome = 'waiting'
  void writeToD1(silent, fence('h', 1), [deleteOf('hung')]).catch(
    (error) => (outcome = String(error)),
  )
  await vi.advanceTimersByTimeAsync(9_999)
  expect(outcome).toBe('waiting')
  await vi.advanceTimersByTimeAsync(1)
  expect(outcome).toContain('no answer within 10000 ms')
})
