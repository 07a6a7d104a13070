import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { countersOn } from '../../objects/store/counters'
import { sqlOn } from '../../objects/store/sql'
import { CHART_HOURS, DAYS_KEPT, MINUTE_MS, MINUTES_KEPT, perHour } from '../../shared/chart'
import { tables } from '../support/tables'

const HOUR = 60
const START = Date.parse('2026-01-01T00:00:00Z') / MINUTE_MS
const MONTH = CHART_HOURS.month

afterEach(() => void vi.useRealTimers())

/** A shard's counters, and what happens at minutes since START. */
function countersInTables() {
  const { sqlite, sql, statements } = tables()
  const counters = countersOn(sqlOn(sql))
  vi.useFakeTimers()
  const at = (minute: number) => vi.setSystemTime((START + minute) * MINUTE_MS)
  return {
    sqlite,
    statements,
    counters,
    at,
    accept(minute: number, accepted = 1) {
      at(minute)
      counters.count({ happened: { accepted } }, 0)
    },
    /** What the chart of so many hours shows of those in which something was accepted. */
    chart(hours: number): Record<number, number> {
      const all = perHour([counters.metrics(hours)], Date.now(), hours)
      expect(all).toHaveLength(hours)
      const entries = all.map(({ hour, accepted }) => [
        (Date.parse(hour) / MINUTE_MS - START) / HOUR,
        accepted,
      ])
      return Object.fromEntries(entries.filter(([, accepted]) => accepted !== 0))
    },
    minutes: () =>
      sqlite
        .prepare('SELECT minute FROM minute_starts ORDER BY minute')
        .all()
        .map(({ minute }) => Number(minute) - START),
  }
}

test('an hour has what happened in it, to the minute, and the present one what did until now', () => {
  const { accept, chart, at } = countersInTables()
  accept(5, 1)
  accept(59, 2)
  accept(60, 4)
  accept(119, 8)
  accept(3 * HOUR, 16)
  expect(chart(24)).toEqual({ 0: 3, 1: 12, 3: 16 })
  accept(3 * HOUR + 40, 32)
  expect(chart(24)).toEqual({ 0: 3, 1: 12, 3: 48 })
  // The hours that went by since had nothing.
  at(24 * HOUR)
  expect(chart(24)).toEqual({ 1: 12, 3: 48 })
  expect(chart(MONTH)).toEqual({ 0: 3, 1: 12, 3: 48 })
})

test('whatever happens when, each hour of a day and of a month is exact', () => {
  const pause = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: 0, max: 40 * 24 * HOUR }),
  )
  fc.assert(
    fc.property(fc.array(pause, { maxLength: 150 }), (pauses) => {
      const { accept, chart } = countersInTables()
      const expected: Record<number, number> = {}
      let minute = 0
      for (const [n, each] of pauses.entries()) {
        minute += each
        accept(minute, n + 1)
        const hour = Math.floor(minute / HOUR)
        expected[hour] = (expected[hour] ?? 0) + n + 1
      }
      for (const hours of [24, MONTH]) {
        const from = Math.floor(minute / HOUR) - hours
        const shown = Object.entries(expected).filter(([hour]) => Number(hour) > from)
        expect(chart(hours)).toEqual(Object.fromEntries(shown))
      }
    }),
    { numRuns: 60 },
  )
})

test('a shard that is never idle keeps each minute of the last hour, and a row an hour of a month', () => {
  const { accept, minutes, sqlite, chart } = countersInTables()
  sqlite.exec(`CREATE TEMP TABLE written (n INTEGER); INSERT INTO written VALUES (0);
    CREATE TEMP TRIGGER i AFTER INSERT ON minute_starts BEGIN UPDATE written SET n = n + 1; END;
    CREATE TEMP TRIGGER d AFTER DELETE ON minute_starts BEGIN UPDATE written SET n = n + 1; END;`)
  const last = (DAYS_KEPT + 2) * 24 * HOUR - 1
  const begun = Array.from({ length: last + 1 }, (_, minute) => minute).filter(
    (minute) => minute % 15 === 0 || minute > last - 2 * MINUTES_KEPT,
  )
  for (const minute of begun) accept(minute)
  const kept = minutes()
  expect(kept.slice(-MINUTES_KEPT)).toEqual(
    Array.from({ length: MINUTES_KEPT }, (_, n) => last - MINUTES_KEPT + 1 + n),
  )
  const older = kept.slice(0, -MINUTES_KEPT)
  expect(older.every((minute) => minute % HOUR === 0)).toBe(true)
  expect(older.length).toBeLessThanOrEqual(DAYS_KEPT * 24 + 1)
  // Each row is written once, and deleted once.
  const written = Number(sqlite.prepare('SELECT n FROM written').get()?.n)
  expect(written).toBe(2 * begun.length - kept.length)
  const shown = Object.values(chart(MONTH))
  expect(shown.slice(0, -3)).toEqual(Array.from({ length: MONTH - 3 }, () => 4))
})

test('the first hour of a shard that kept only minutes before shows nothing, and the others all', () => {
  const { accept, chart, sqlite } = countersInTables()
  accept(10, 100)
  for (let minute = 90; minute <= 150; minute++) accept(minute)
  // The version before deleted all that is older than an hour.
  sqlite.exec(`DELETE FROM minute_starts WHERE minute < ${START + 90}`)
  expect(chart(24)).toEqual({ 2: 31 })
  accept(200, 5)
  expect(chart(24)).toEqual({ 2: 31, 3: 5 })
})

test('a clock that goes back loses nothing, and spoils no hour that comes then', () => {
  const { accept, chart, counters, minutes } = countersInTables()
  const total = () => Object.values(chart(24)).reduce((sum, accepted) => sum + accepted, 0)
  for (let minute = 0; minute < 125; minute++) accept(minute)
  // A few minutes; then behind the turn of the hour, where the newest minute goes on; then an hour.
  accept(120)
  accept(119)
  expect(minutes().at(-1)).toBe(120)
  accept(120)
  expect([total(), minutes().at(-1)]).toEqual([128, 120])
  accept(40)
  expect(total()).toBe(129)
  for (let minute = 41; minute < 300; minute++) accept(minute)
  expect(total()).toBe(129 + 259)
  expect(chart(24)).toMatchObject({ 2: 60, 3: 60, 4: 60 })
  expect(counters.metrics().minutes).toHaveLength(MINUTES_KEPT)
  expect(minutes().filter((minute) => minute < 239)).toEqual([0, 60, 120, 180])
})

test('nothing of it reads more than the rows that it needs', () => {
  const { accept, chart, sqlite, statements } = countersInTables()
  accept(0)
  accept(1)
  chart(MONTH)
  const plans = [...new Set(statements)]
    .filter((statement) => statement.includes('minute_starts'))
    .flatMap((statement) => sqlite.prepare(`EXPLAIN QUERY PLAN ${statement}`).all())
    .map(({ detail }) => String(detail))
    .filter((detail) => /^(SCAN|SEARCH) (minute_starts|start|earlier)\b/.test(detail))
  expect(plans.length).toBeGreaterThan(6)
  expect(plans.filter((plan) => !plan.includes('USING INTEGER PRIMARY KEY'))).toEqual([
    // The newest row, which is where the key ends; and the rows of hours that were read by then.
    'SEARCH minute_starts',
    'SCAN start',
  ])
})

test('hours are counted only when they are asked for', () => {
  const { accept, counters, statements } = countersInTables()
  accept(0)
  const before = statements.length
  expect(counters.metrics().hours).toBeUndefined()
  const read = statements.slice(before)
  expect(read.filter((statement) => statement.includes('minute_starts'))).toHaveLength(1)
})
