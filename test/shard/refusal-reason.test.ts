import { describe, expect, test as plain } from 'vitest'
import { refusalReason } from '../../objects/alarm/refusal-reason'
import { logged } from '../support/logs'
import { test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '1' })

const OTHER_ID = 'The database refused the event: it holds another one under this event_id.'
const MISSING = 'The database refused the event: a field of it is missing.'
const INVALID = 'The database refused the event: a field of it is not valid.'
const WRONG_TYPE = 'The database refused the event: a field of it has the wrong type.'
const TOO_LARGE = 'The database refused the event: it is too large.'
const RULE = 'The database refused the event: it breaks a rule of the database.'

plain.for<[error: string, reason: string]>([
  [
    'D1_ERROR: UNIQUE constraint failed: events.event_id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)',
    OTHER_ID,
  ],
  ['D1_ERROR: UNIQUE constraint failed: events.event_id: SQLITE_CONSTRAINT', OTHER_ID],
  ['D1_ERROR: NOT NULL constraint failed: events.payload: SQLITE_CONSTRAINT', MISSING],
  ['D1_ERROR: CHECK constraint failed: json_valid(payload): SQLITE_CONSTRAINT', INVALID],
  ['D1_ERROR: datatype mismatch: SQLITE_MISMATCH', WRONG_TYPE],
  ['D1_ERROR: cannot store TEXT value in INTEGER column: SQLITE_CONSTRAINT_DATATYPE', WRONG_TYPE],
  ['D1_ERROR: string or blob too big: SQLITE_TOOBIG', TOO_LARGE],
  ['D1_ERROR: secret-table says no: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)', RULE],
  ['', RULE],
])('%s', ([error, reason]) => {
  expect(refusalReason(error)).toBe(reason)
})

describe('what D1 refuses', () => {
  // What each makes SQLite itself say no to, as an event comes in under that id.
  const REFUSALS: [id: string, statement: string, reason: string][] = [
    [
      'taken',
      "INSERT INTO events VALUES ('taken', '{}', NULL, 'pending', '', '', 0, 'c', NULL)",
      OTHER_ID,
    ],
    ['missing', 'INSERT INTO strict_table VALUES (1, NULL)', MISSING],
    ['invalid', 'INSERT INTO strict_table VALUES (1, 0)', INVALID],
    ['mistyped', "INSERT INTO strict_table VALUES ('one', 1)", WRONG_TYPE],
    ['large', 'SELECT randomblob(1000000000)', TOO_LARGE],
    ['unwelcome', "SELECT RAISE(ABORT, 'no')", RULE],
  ]

  test('is a dead letter that says why, in words without internals; the log has what D1 said', async ({
    inbox,
    server,
  }) => {
    await inbox.db.exec(
      'CREATE TABLE strict_table (id INTEGER PRIMARY KEY, n NOT NULL CHECK (n > 0))',
    )
    for (const [id, statement] of REFUSALS) {
      const when = `BEFORE INSERT ON events WHEN NEW.event_id = '${id}'`
      await inbox.db.exec(
        id === 'taken' ? statement : `CREATE TRIGGER refuse_${id} ${when} BEGIN ${statement}; END`,
      )
      await inbox.postId(id)
    }
    const reasons = async () =>
      (await inbox.deadLetters()).map(({ event_id, reason }) => [event_id, reason]).toSorted()
    const expected = REFUSALS.map(([id, , reason]) => [id, reason]).toSorted()
    await expect.poll(reasons).toEqual(expected)
    const lines = logged(server, 'D1 refused an event')
    expect(lines).toHaveLength(REFUSALS.length)
    for (const { error } of lines) expect(error).toContain('SQLITE_')
  })

  test('can be redriven by that reason', async ({ inbox }) => {
    await inbox.db.exec('DROP TRIGGER refuse_large')
    const { body } = await inbox.call('POST', '/dlq/retry', { reason: TOO_LARGE })
    expect(body.data).toEqual({ redriven: 1, skipped: 0 })
    await expect.poll(() => inbox.rows("event_id = 'large'")).toHaveLength(1)
  })
})
