import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EventStatus, STATUSES } from '../../shared/event'
import {
  addCounts,
  hoursFrom,
  type Instant,
  judge,
  type PeriodCounts,
  periodOf,
  rangesOf,
  type ShardCount,
  type StatusCounts,
} from '../../shared/verification'

const HOUR_MS = 3_600_000
const NOW = Date.parse('2026-11-21T05:30:00Z')
const HOURS = hoursFrom(NOW)

test('periods are hours for two days and a bit, and days before', () => {
  expect(periodOf(NOW, HOURS)).toBe('2026-11-21T05')
  expect(periodOf(NOW - 48 * HOUR_MS, HOURS)).toBe('2026-11-19T05')
  expect(periodOf(HOURS, HOURS)).toBe('2026-11-19T00')
  expect(periodOf(HOURS - 1, HOURS)).toBe('2026-11-18')
})

const counted = (period: string, counts: Partial<PeriodCounts> = {}): PeriodCounts => ({
  period,
  pending: 0,
  delivered: 0,
  failed: 0,
  latest: 1,
  ...counts,
})
const mapOf = (list: PeriodCounts[]) => {
  const counts = new Map<string, PeriodCounts>()
  addCounts(counts, list)
  return counts
}

test('ranges cover all of time from a period on, and each has few events or one period', () => {
  const periods = fc.uniqueArray(
    fc.record({ day: fc.integer({ min: 1, max: 28 }), pending: fc.integer({ min: 0, max: 9 }) }),
    { selector: ({ day }) => day },
  )
  const name = (day: number) => `2026-11-${String(day).padStart(2, '0')}`
  fc.assert(
    fc.property(
      periods,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 28 }),
      (list, most, from) => {
        const since = from === 0 ? '' : name(from)
        const counts = list.map(({ day, pending }) => counted(name(day), { pending }))
        const ranges = rangesOf([mapOf(counts)], most, since)
        expect(ranges.map((range) => range.from)).toEqual([
          since,
          ...ranges.slice(0, -1).map((range) => range.to),
        ])
        expect(ranges.at(-1)?.to).toBe('~')
        for (const range of ranges) {
          const own = counts.filter(
            ({ period, pending }) => pending > 0 && period >= range.from && period < range.to,
          )
          const events = own.reduce((sum, { pending }) => sum + pending, 0)
          if (own.length > 1) expect(events).toBeLessThanOrEqual(most)
        }
      },
    ),
  )
})

describe('a period', () => {
  const instant = (changes: Partial<Instant> = {}): Instant => ({
    clock: NOW,
    accepted: 10,
    behind: [],
    refused: [],
    ...changes,
  })
  const count = (list: PeriodCounts[], ended: Partial<Instant> = {}): ShardCount => ({
    begun: instant(),
    counts: mapOf(list),
    ended: instant(ended),
  })
  const d1 = (counts: Partial<StatusCounts>) =>
    new Map([[DAY, { pending: 0, delivered: 0, failed: 0, ...counts }]])
  const DAY = '2026-11-10'
  const HOUR = '2026-11-21T05'
  const two = counted(DAY, { pending: 1, delivered: 1 })
  const verdict = (before: ShardCount[], found: Map<string, StatusCounts>, after = before) =>
    judge(before, found, after, HOURS, '').get(DAY)

  test('agrees when D1 has what the shards have together, without what it refuses', () => {
    expect(verdict([count([two]), count([two])], d1({ pending: 2, delivered: 2 }))).toEqual([])
    const refused = [{ period: DAY, pending: 0, delivered: 1, failed: 0 }]
    expect(verdict([count([two], { refused })], d1({ pending: 1 }))).toEqual([])
  })

  test('differs by each status, also when only one side knows it', () => {
    const difference = (what: EventStatus, expected: number, found: number) => ({
      where: 'D1',
      what,
      expected,
      found,
      period: DAY,
    })
    expect(verdict([count([two])], d1({ pending: 2 }))).toEqual([
      difference('pending', 1, 2),
      difference('delivered', 1, 0),
    ])
    expect(verdict([count([two])], new Map())).toHaveLength(2)
    expect(verdict([count([])], d1({ failed: 3 }))).toEqual([difference('failed', 0, 3)])
  })

  test('is not compared when one shard has something to tell of it, or of nobody knows what', () => {
    const found = d1({ pending: 9 })
    expect(verdict([count([two]), count([], { behind: [DAY] })], found)).toBe('behind')
    expect(verdict([count([two]), count([], { behind: null })], found)).toBe('behind')
    expect(verdict([count([two], { behind: [HOUR] })], found)).toHaveLength(2)
    expect(judge([count([], { behind: [DAY] })], new Map(), [count([])], HOURS, '')).toEqual(
      new Map([[DAY, 'behind']]),
    )
  })

  test('is not compared when its events became fewer, or changed, or when it may have got new ones', () => {
    const found = d1({ pending: 9 })
    const before = [count([two]), count([])]
    const after = (counts: Partial<PeriodCounts>) => [count([{ ...two, ...counts }]), count([])]
    expect(verdict(before, found, after({ pending: 0 }))).toBe('moving')
    expect(verdict(before, found, after({ latest: 2 }))).toBe('moving')
    expect(verdict(before, found, after({}))).toHaveLength(2)
    // None can come into a period that is over.
    const accepting = [count([two], { accepted: 11 }), count([])]
    expect(verdict(before, found, accepting)).toHaveLength(2)
    const present = [count([{ ...two, period: HOUR }])]
    const later = [count([{ ...two, period: HOUR }], { accepted: 11 })]
    expect(judge(present, new Map(), later, HOURS, '').get(HOUR)).toBe('moving')
  })

  test('is left out when it was settled before', () => {
    expect(judge([count([two])], d1({}), [count([two])], HOURS, '2026-11-11')).toEqual(new Map())
  })
})

/** Two shards and D1 in their simplest form: an event is a period, a status and a tick; D1 is told of it later. */
function simulation() {
  type Row = { period: number; status: EventStatus; tick: number }
  const shards = [0, 1].map(() => ({
    rows: new Map<string, Row>(),
    untold: [] as { id: string; period: number }[],
    accepted: 0,
    tick: 0,
  }))
  const d1 = new Map<string, Row>()
  const at = (period: number) => HOURS - 20 * 24 * HOUR_MS + period * 24 * HOUR_MS
  let period = 0
  let made = 0
  const shardOf = (index: number) => {
    const shard = shards[index]
    if (!shard) throw new Error('there is no such shard')
    return shard
  }
  return {
    act(index: number, what: number) {
      const shard = shardOf(index)
      const ids = [...shard.rows.keys()]
      const id = ids[what % Math.max(1, ids.length)]
      const row = id === undefined ? undefined : shard.rows.get(id)
      shard.tick++
      if (what % 4 === 0 || !row || id === undefined) {
        // In any place of the order in which rows are counted.
        const fresh = `${(made * 7) % 10}-${made++}`
        shard.accepted++
        shard.rows.set(fresh, { period, status: 'pending', tick: shard.tick })
        shard.untold.push({ id: fresh, period })
      } else {
        if (what % 4 === 1) shard.rows.delete(id)
        else
          shard.rows.set(id, { ...row, status: STATUSES[what % 3] ?? 'failed', tick: shard.tick })
        shard.untold.push({ id, period: row.period })
      }
    },
    tell(index: number) {
      const shard = shardOf(index)
      const first = shard.untold[0]
      if (!first) return
      const row = shard.rows.get(first.id)
      if (row) d1.set(first.id, { ...row })
      else d1.delete(first.id)
      shard.untold.shift()
    },
    nextPeriod: () => void period++,
    lose: () => d1.delete([...d1.keys()][0] ?? ''),
    stored: () => d1.size,
    instant: (index: number): Instant => {
      const { accepted, untold } = shardOf(index)
      const behind = untold.map((each) => periodOf(at(each.period), HOURS))
      return { clock: at(period), accepted, behind, refused: [] }
    },
    /** Row by row, so that anything may happen between two of them. */
    *rows(index: number) {
      for (let after = ''; ;) {
        const rows = [...shardOf(index).rows].filter(([id]) => id > after)
        const [next] = rows.toSorted(([a], [b]) => (a < b ? -1 : 1))
        if (!next) return
        const [id, { period: own, status, tick }] = next
        after = id
        yield counted(periodOf(at(own), HOURS), { [status]: 1, latest: tick })
      }
    },
    d1Counts() {
      const found = new Map<string, StatusCounts>()
      for (const row of d1.values()) {
        const name = periodOf(at(row.period), HOURS)
        const sum = found.get(name) ?? { pending: 0, delivered: 0, failed: 0 }
        sum[row.status]++
        found.set(name, sum)
      }
      return found
    },
  }
}

test('takes nothing that moves for a difference, whatever happens meanwhile; what is lost is found', () => {
  const steps = fc.array(fc.tuple(fc.nat(9), fc.nat(1), fc.nat(99)), {
    minLength: 20,
    maxLength: 200,
  })
  let compared = 0
  fc.assert(
    fc.property(steps, fc.nat(4), (list, calm) => {
      const real = simulation()
      const acts = list[Symbol.iterator]()
      /** What happens meanwhile. */
      const meanwhile = () => {
        for (let n = 0; n < calm; n++) {
          const [kind, index, what] = acts.next().value ?? [9, 0, 99]
          if (kind < 4) real.act(index, what)
          else if (kind < 9) real.tell(index)
          else if (what < 10) real.nextPeriod()
        }
      }
      const look = () =>
        [0, 1].map((index): ShardCount => {
          const begun = real.instant(index)
          const counts = mapOf([])
          for (const row of real.rows(index)) {
            addCounts(counts, [row])
            meanwhile()
          }
          return { begun, counts, ended: real.instant(index) }
        })
      for (let n = 0; n < 12; n++) {
        real.act(n % 2, 0)
        if (n % 6 === 5) real.nextPeriod()
        real.tell(n % 2)
      }
      const before = look()
      meanwhile()
      const found = real.d1Counts()
      meanwhile()
      for (const verdict of judge(before, found, look(), HOURS, '').values()) {
        if (typeof verdict === 'string') continue
        expect(verdict).toEqual([])
        compared++
      }
      for (const index of [0, 1]) while (real.instant(index).behind?.length) real.tell(index)
      if (real.stored() === 0) return
      real.lose()
      // Nothing happens any more.
      calm = 0
      const [one, two] = [look(), look()]
      const differences = [...judge(one, real.d1Counts(), two, HOURS, '').values()].flat()
      expect(differences).toHaveLength(1)
    }),
    { numRuns: 3_000 },
  )
  expect(compared).toBeGreaterThan(300)
})
