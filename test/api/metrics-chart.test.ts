import { expect } from 'vitest'
import type { Metrics } from '../../client/types'
import { test } from '../support/steering'

const HOUR_MS = 3_600_000

test('GET /metrics?chart= shows the hours of a day and of a month, of all shards', async ({
  inbox,
  steer,
}) => {
  // Alarms go by the real clock, so D1 is told by the reads.
  const told = async () =>
    expect((await inbox.get('/inbox')).body).toMatchObject({ unstored: 0, stale: 0 })
  const toHalfPast = 1.5 * HOUR_MS - (Date.now() % HOUR_MS)
  await steer({ shiftMs: toHalfPast })
  for (const n of [1, 2, 3, 4, 5, 6]) await inbox.postId(`early-${n}`)
  await inbox.ack('early-1')
  for (let n = 0; n < 3; n++) await inbox.nack('early-2')
  await told()
  await steer({ shiftMs: toHalfPast + 30 * HOUR_MS })
  for (const n of [1, 2]) await inbox.postId(`late-${n}`)
  await told()
  const [hour, day, month] = [
    await inbox.metrics(),
    await inbox.client.metrics({ chart: 'day' }),
    await inbox.client.metrics({ chart: 'month' }),
  ]
  expect(Object.keys(hour)).toEqual(Object.keys(await inbox.client.metrics({ chart: 'hour' })))
  expect(hour).not.toHaveProperty('per_hour')
  expect([day.per_minute.length, day.per_hour?.length]).toEqual([61, 24])
  expect([month.per_minute.length, month.per_hour?.length]).toEqual([61, 720])
  const busy = (shown: Metrics) => shown.per_hour?.filter(({ accepted }) => accepted > 0)
  const hourFrom = (shiftMs: number) =>
    new Date(Math.floor((Date.now() + toHalfPast + shiftMs) / HOUR_MS) * HOUR_MS).toISOString()
  const late = { hour: hourFrom(30 * HOUR_MS), accepted: 2, stored: 2, delivered: 0, failed: 0 }
  const early = { hour: hourFrom(0), accepted: 6, stored: 6, delivered: 1, failed: 1 }
  expect(busy(day)).toEqual([late])
  expect(busy(month)).toEqual([early, late])
  expect(month.per_hour?.at(-1)).toEqual(day.per_hour?.at(-1))
  const times = month.per_hour?.map((each) => Date.parse(each.hour)) ?? []
  expect(times.every((time, n) => n === 0 || time - (times[n - 1] ?? 0) === HOUR_MS)).toBe(true)
})

test('a chart that there is not is refused, and Prometheus gets the same text whatever is asked', async ({
  inbox,
}) => {
  const { status, body } = await inbox.get('/metrics?chart=year')
  expect([status, body.errors]).toEqual([
    400,
    [{ parameter: 'chart', detail: 'must be hour or day or month' }],
  ])
  const text = async (query: string) => (await inbox.get(`/metrics?${query}`)).text
  const withoutTimes = (metrics: string) => metrics.replaceAll(/seconds\S* [\d.]+$/gm, '')
  expect(withoutTimes(await text('format=prometheus&chart=month'))).toBe(
    withoutTimes(await text('format=prometheus')),
  )
})
