import { describe, expect, test } from 'vitest'
import { Candidates } from '../../objects/candidates'
import type { Entry } from '../../objects/entries'
import { ShardStore } from '../../objects/store/shard-store'
import { INBOX } from '../../shared/event'
import { tables } from '../support/tables'

const ROWS = 300

/** A shard with many rows of one event each, of which none has its body here; the journal has begun before them. */
function shardOfRows(isDead: boolean) {
  const { sqlite, statements, storage } = tables()
  const store = new ShardStore(storage)
  let isAway = false
  const candidates = new Candidates({ env: {} as Env, name: 'shard-0', store }, () => isAway)
  const add = sqlite.prepare(
    "INSERT INTO events (event_id, correlation_id, created_at, updated_at) VALUES (?, 'c', ?, ?)",
  )
  const put = sqlite.prepare(
    `INSERT INTO ready (subscription, visible_at, part, n, entries) VALUES ('${INBOX}', ?, 0, 1, ?)`,
  )
  for (let at = 1; at <= ROWS; at++) {
    const entry: Entry = [`event-${at}`, isDead ? at + 1 : at]
    add.run(entry[0], at, at)
    put.run(at, JSON.stringify([entry]))
  }
  sqlite.exec(`
    INSERT INTO journal (seq, accepted, entries, bodies) VALUES (1, 0, '[]', ''),
      (${ROWS + 1}, 1, '[{"op":"accept","event_id":"held","payload":2,"metadata":null}]', '{}')`)
  add.run('held', ROWS + 1, ROWS + 1)
  put.run(ROWS + 1, JSON.stringify([['held', ROWS + 1]]))
  /** How many rows of events were asked for by `work`. */
  const looksOf = (work: () => unknown) => {
    const before = statements.length
    work()
    return statements.slice(before).filter((each) => each.includes('JOIN events')).length
  }
  return { candidates, looksOf, away: () => (isAway = true) }
}

describe('a look', () => {
  test('while D1 is away ends after so many rows, and goes on there until it comes to what is at hand', () => {
    const { candidates, looksOf, away } = shardOfRows(false)
    away()
    expect(looksOf(() => expect(candidates.hasReady(INBOX)).toBe(false))).toBeLessThanOrEqual(128)
    expect(candidates.nextMs(INBOX)).toBe(1_000)
    const found = Array.from({ length: 4 }, () => {
      // Who counts meanwhile does not set it back.
      expect(candidates.oldestReadyAt(INBOX)).toBe(1)
      return candidates.hasReady(INBOX)
    })
    expect(found).toContain(true)
  })

  test('that found only what is dead is said to be worth another one', () => {
    const { candidates } = shardOfRows(true)
    expect(candidates.hasReady(INBOX)).toBe(false)
    expect(candidates.nextMs(INBOX)).toBe(1_000)
    expect(candidates.look(INBOX, 10, false)).toHaveLength(128)
  })
})
