import { describe, expect, test } from 'vitest'
import { lettersGone, pairsOfLetter } from '../../objects/letters'
import { newPair, type Pair, type Pairs } from '../../objects/pairs'
import { deadLettersOn } from '../../objects/store/dead-letters'
import { heldLetters, lettersD1MayHave, recountRows } from '../../objects/store/recount'
import { sqlOn } from '../../objects/store/sql'
import type { DeadLetter } from '../../shared/dead-letter'
import { LETTERS_A_STEP } from '../../shared/verification'
import { tables } from '../support/tables'

/** A shard's letters in SQLite. */
function lettersInTables() {
  const { sqlite, sql } = tables()
  return { sqlite, sql, letters: deadLettersOn(sqlOn(sql)) }
}

const letterOf = (event_id: string, subscription: string, more: Partial<DeadLetter> = {}) => {
  return { event_id, subscription, reason: 'no', failed_at: 5, ...more }
}

describe('the letters of a shard', () => {
  test('are one a pair of event and subscription; adding and deleting says by how many they change', () => {
    const { letters, sqlite } = lettersInTables()
    const pairs = () => letters.pairs(null, 100).map((pair) => pair.join(':'))
    expect(letters.add([])).toBe(0)
    expect(letters.add([letterOf('a', 'inbox'), letterOf('a', 'billing')])).toBe(2)
    letters.markSent(letters.unsent(9), 6)
    letters.markRecorded(letterOf('a', 'inbox'))
    // One takes another's place, and is sent anew; one comes twice.
    const again = letterOf('a', 'inbox', { reason: 'again', failed_at: 7 })
    expect(letters.add([again, letterOf('a', ''), letterOf('a', ''), letterOf('b', 'inbox')])).toBe(
      2,
    )
    expect(pairs()).toEqual(['a:', 'a:billing', 'a:inbox', 'b:inbox'])
    expect(letters.unsent(9)).toContainEqual(again)
    const row = sqlite.prepare("SELECT recorded FROM letters WHERE reason = 'again'").get()
    expect(row).toEqual({ recorded: 0 })

    expect(letters.deletePairs([])).toBe(0)
    const deleted = letters.deletePairs([
      ['a', 'billing'],
      ['b', 'billing'],
      ['c', 'inbox'],
    ])
    expect([deleted, pairs()]).toEqual([1, ['a:', 'a:inbox', 'b:inbox']])
    expect(letters.delete(['a', 'unknown'])).toBe(2)
    expect(pairs()).toEqual(['b:inbox'])
  })

  test('are found by their reason', () => {
    const { letters } = lettersInTables()
    letters.add([
      letterOf('a', 'inbox'),
      letterOf('a', 'billing', { reason: 'x'.repeat(2_000) }),
      letterOf('b', 'billing', { reason: 'late' }),
    ])
    expect(letters.pairs('late', 9)).toEqual([['b', 'billing']])
    expect(letters.pairs('x'.repeat(1_000), 9)).toEqual([['a', 'billing']])
    expect(letters.pairs(null, 2)).toHaveLength(2)
  })

  test('are marked as sent, recorded and lost one by one', () => {
    const { letters, sqlite } = lettersInTables()
    const [inbox, billing] = [letterOf('a', 'inbox'), letterOf('a', 'billing')]
    const marked = () =>
      sqlite
        .prepare('SELECT subscription, recorded, sent_at FROM letters ORDER BY subscription')
        .all()
        .map((row) => Object.values(row).join(' '))
    letters.add([inbox, billing])
    letters.markSent([billing, { ...inbox, failed_at: 4 }], 6)
    expect(marked()).toEqual(['billing 0 6', 'inbox 0 '])
    letters.markSent([inbox], 7)
    expect(letters.markRecorded(billing)).toBe(true)
    expect(letters.markRecorded({ ...billing, failed_at: 4 })).toBe(false)
    expect(letters.markRecorded({ ...billing, subscription: 'stock' })).toBe(false)
    expect(marked()).toEqual(['billing 1 6', 'inbox 0 7'])
    expect(letters.resend([inbox, { ...billing, failed_at: 4 }])).toBe(0)
    expect(letters.markRecorded(inbox)).toBe(true)
    expect(letters.resend([inbox, { ...inbox, subscription: 'stock' }])).toBe(1)
    expect(marked()).toEqual(['billing 1 6', 'inbox 0 '])
  })

  test('are told apart by the moment alone for a worker of the version before', () => {
    const { letters, sql } = lettersInTables()
    letters.add([letterOf('a', 'inbox'), letterOf('a', 'billing'), letterOf('b', 'billing')])
    const [a, b] = [
      { event_id: 'a', failed_at: 5 },
      { event_id: 'b', failed_at: 5 },
    ]
    expect([letters.markRecorded(a), letters.markRecorded(b)]).toEqual([true, true])
    expect(letters.markRecorded({ ...a, failed_at: 4 })).toBe(false)
    // That worker records each as one of the inbox: the others are sent again, under their names.
    const recorded = heldLetters(sql, '').filter((letter) => letter.recorded)
    expect(recorded).toEqual([{ ...a, subscription: 'inbox', recorded: true }])
    expect(lettersD1MayHave(sql, [a, b, { ...a, failed_at: 4 }])).toMatchObject([a, b])
    letters.markRecorded(letterOf('a', 'billing'))
    expect(letters.resend([a, { ...b, failed_at: 4 }])).toBe(2)
  })

  test('are listed in whole events, however many a step has', () => {
    const { letters, sql } = lettersInTables()
    const id = (n: number) => `e-${String(n).padStart(4, '0')}`
    // The last place of the first step falls into the letters of one event.
    const ids = Array.from({ length: LETTERS_A_STEP + 100 }, (_, n) => id(n))
    letters.add(ids.map((each) => letterOf(each, 'inbox')))
    const several = ['billing', 'stock'].map((name) => letterOf(id(LETTERS_A_STEP - 2), name))
    letters.add([...several, letterOf(id(LETTERS_A_STEP - 1), 'billing')])
    const first = heldLetters(sql, '')
    expect(first).toHaveLength(LETTERS_A_STEP + 1)
    expect(first.slice(-3).map(({ event_id, subscription }) => [event_id, subscription])).toEqual(
      ['billing', 'inbox', 'stock'].map((name) => [id(LETTERS_A_STEP - 2), name]),
    )
    const second = heldLetters(sql, first.at(-1)?.event_id ?? '')
    expect(first.length + second.length).toBe(LETTERS_A_STEP + 103)
    expect(heldLetters(sql, second.at(-1)?.event_id ?? '')).toEqual([])
  })

  test('may be in D1 while they stand, and until D1 was told that they do not', () => {
    const { letters, sql, sqlite } = lettersInTables()
    letters.add([letterOf('stands', 'inbox')])
    const entries = JSON.stringify([
      { op: 'redrive', event_id: 'redriven', subscriptions: ['billing'] },
    ])
    sqlite
      .prepare(
        "INSERT INTO journal (seq, accepted, changes, entries, bodies) VALUES (6, 0, 1, ?, '')",
      )
      .run(entries)
    sqlite.exec(`INSERT INTO parked (event_id, attempts, reason, clears, clears_named)
      VALUES ('parked', 1, 'r', 0, '[["billing",6]]'), ('other', 1, 'r', 0, NULL)`)
    const asked = ['stands', 'redriven', 'parked', 'other', 'gone'].map((id) =>
      letterOf(id, 'billing'),
    )
    const found = lettersD1MayHave(sql, [...asked, letterOf('stands', 'inbox')])
    expect(found.map(({ event_id, subscription }) => `${event_id}:${subscription}`)).toEqual([
      'parked:billing',
      'redriven:billing',
      'stands:inbox',
    ])
  })

  test('are counted anew beside their counter', () => {
    const { letters, sql, sqlite } = lettersInTables()
    letters.add([letterOf('a', 'inbox'), letterOf('a', 'billing')])
    sqlite.exec('UPDATE counters SET letters = 3, failed = 1')
    const { counters, rows } = recountRows(sql, 'shard-0')
    expect([counters.dead_letters, rows.dead_letters]).toEqual([3, 2])
  })
})

describe('a dead letter', () => {
  const open = newPair(5)
  const pairs: Pairs = new Map<string, Pair>([
    ['stock', 'failed'],
    ['billing', 'failed'],
    ['mail', open],
  ])

  test('is about its own pair, or about all failed ones without a letter when D1 refused the event', () => {
    expect(pairsOfLetter('billing', pairs, ['', 'billing'])).toEqual(['billing'])
    expect(pairsOfLetter('mail', pairs, ['', 'billing'])).toEqual([])
    expect(pairsOfLetter('', pairs, ['', 'billing'])).toEqual(['stock'])
    expect(pairsOfLetter('', pairs, [''])).toEqual(['stock', 'billing'])
  })

  test('goes once its pair was retried, and that of a refusal once it is about no pair', () => {
    const retried = (...names: string[]): Pairs =>
      new Map<string, Pair>([...pairs, ...names.map((name) => [name, open] as const)])
    expect(lettersGone(['stock'], retried('stock'), ['stock', 'billing'])).toEqual(['stock'])
    expect(lettersGone(['stock'], retried('stock'), ['', 'billing'])).toEqual(['stock', ''])
    expect(lettersGone(['stock'], retried('stock'), ['', 'stock'])).toEqual(['stock'])
    expect(lettersGone(['stock', 'billing'], retried('stock', 'billing'), [''])).toBeNull()
  })
})
