import { expect, test } from 'vitest'
import { MAX_LINGER_MS, Pace } from '../../objects/pace'

/** A pace in a time that only moves when it is told to. */
function inFakeTime() {
  const time = { now: 1_000_000 }
  const pace = new Pace(() => time.now)
  /** So many commits of so many calls, a few milliseconds apart. */
  const commit = (times: number, calls: number, apart = 5) => {
    for (let n = 0; n < times; n++) {
      time.now += apart
      pace.committed(calls)
    }
  }
  return { time, pace, commit }
}

test('a lone call waits for nobody; after calls that came together, the next commit waits 20 ms', () => {
  const { time, pace, commit } = inFakeTime()
  expect(pace.groupWait()).toBe(0)
  commit(1, 1)
  expect(pace.groupWait()).toBe(0)
  commit(1, 2)
  expect(pace.groupWait()).toBe(20)
  time.now += 15
  expect(pace.groupWait()).toBe(5)
  time.now += 15
  expect(pace.groupWait()).toBe(0)
})

test('drains do not linger while calls are rare, nor while some is left of the journal', () => {
  const { time, pace, commit } = inFakeTime()
  commit(10, 1, 1_000)
  pace.drained(10, 1_000, false)
  expect(pace.linger()).toBe(0)
  commit(50, 2)
  time.now += 100
  pace.drained(100, 1_000, true)
  expect(pace.linger()).toBe(0)
})

test('under load a drain lingers until about a full step has come in, and never over the bound', () => {
  const { time, pace, commit } = inFakeTime()
  pace.drained(1, 1_000, false)
  commit(20, 2)
  // 500 events came in 100 ms: a full step of 1,000 takes 200.
  pace.drained(500, 1_000, false)
  expect(pace.linger()).toBe(200)
  time.now += 150
  expect(pace.linger()).toBe(50)
  commit(20, 2)
  pace.drained(1, 1_000, false)
  expect(pace.linger()).toBe(MAX_LINGER_MS)
})

test('a load that is over is forgotten', () => {
  const { time, pace, commit } = inFakeTime()
  commit(50, 2)
  time.now += 10 * MAX_LINGER_MS
  pace.drained(100, 1_000, false)
  expect(pace.linger()).toBe(0)
})

test('a clock that goes back an hour ends every wait', () => {
  const { time, pace, commit } = inFakeTime()
  commit(50, 2)
  pace.drained(1, 1_000, false)
  expect(pace.linger()).toBeGreaterThan(0)
  time.now -= 3_600_000
  expect(pace.linger()).toBe(0)
  expect(pace.groupWait()).toBeLessThanOrEqual(20)
})
