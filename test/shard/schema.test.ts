import { describe, expect } from 'vitest'
import { FIRST_COLUMNS } from '../support/schema'
import { test } from '../support/world'

const INSERT = `INSERT INTO events (${FIRST_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`

describe('the events table in D1', () => {
  test('has the seven fields, the two to look for, no rowid, and two indexes beside its key', async ({
    inbox,
  }) => {
    const columns = await inbox.db
      .prepare('SELECT name, type, pk FROM pragma_table_info(?)')
      .bind('events')
      .all()
    expect(columns.results).toEqual([
      { name: 'event_id', type: 'TEXT', pk: 1 },
      { name: 'payload', type: 'TEXT', pk: 0 },
      { name: 'metadata', type: 'TEXT', pk: 0 },
      { name: 'status', type: 'TEXT', pk: 0 },
      { name: 'created_at', type: 'TEXT', pk: 0 },
      { name: 'updated_at', type: 'TEXT', pk: 0 },
      { name: 'retry_count', type: 'INTEGER', pk: 0 },
      { name: 'correlation_id', type: 'TEXT', pk: 0 },
      { name: 'subscriptions', type: 'TEXT', pk: 0 },
    ])
    const indexes = await inbox.db
      .prepare("SELECT name FROM pragma_index_list('events') WHERE origin = 'c' ORDER BY name")
      .all()
    expect(indexes.results).toEqual([{ name: 'events_by_status' }, { name: 'events_by_time' }])
    await expect(inbox.db.prepare('SELECT rowid FROM events').all()).rejects.toThrow(
      'no such column: rowid',
    )
  })

  const good = [
    'a',
    '{}',
    null,
    'pending',
    '2026-01-01T00:00:00.000Z',
    '2026-01-01T00:00:00.000Z',
    0,
  ]
  const bad = [
    ['an unknown status', 3, 'done', 'CHECK constraint failed'],
    ['a NULL status', 3, null, 'NOT NULL constraint failed: events.status'],
    ['a NULL payload', 1, null, 'NOT NULL constraint failed: events.payload'],
    ['a payload that is no JSON', 1, '{', 'CHECK constraint failed'],
    ['metadata that is no JSON', 2, 'x', 'CHECK constraint failed'],
    ['a NULL event_id', 0, null, 'NOT NULL constraint failed: events.event_id'],
    ['a negative retry_count', 6, -1, 'CHECK constraint failed'],
  ] as const
  for (const [name, column, value, message] of bad) {
    test(`refuses ${name}`, async ({ inbox }) => {
      const insert = inbox.db.prepare(INSERT)
      await expect(insert.bind(...good.with(column, value)).run()).rejects.toThrow(message)
    })
  }

  test('takes a good row once', async ({ inbox }) => {
    const insert = inbox.db.prepare(INSERT).bind(...good)
    await insert.run()
    await expect(insert.run()).rejects.toThrow('UNIQUE constraint failed: events.event_id')
  })
})
