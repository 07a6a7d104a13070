import { isoTime } from './event'

/** This module sums up what happened in each minute or hour of a chart, over all shards. No I/O. */

/** How often what happened in one span of time. */
interface Counts {
  accepted: number
  stored: number
  delivered: number
  failed: number
}

/** What happened in a shard within one minute; `minute` is minutes since 1970. */
export interface MinuteCounts extends Counts {
  minute: number
}

/** What happened in a shard within one hour; `hour` is hours since 1970. */
export interface HourCounts extends Counts {
  hour: number
}

export const MINUTE_MS = 60_000
export const HOUR_MINUTES = 60
/** A shard keeps the present minute and 60 full ones. */
export const MINUTES_KEPT = 61
/** Of what is older a shard keeps how each hour began, for so many days: one more than the longest chart shows. */
export const DAYS_KEPT = 31

/** How many hours each chart shows. The chart of the last hour goes by the minute alone. */
export const CHART_HOURS = { hour: 0, day: 24, month: 30 * 24 } as const

/** Sums up each of the last 60 minutes and the present one, oldest first. */
export function perMinute(shards: { minutes: MinuteCounts[] }[], now: number) {
  const present = Math.floor(now / MINUTE_MS)
  const sums = sumsOf(
    shards.flatMap(({ minutes }) => minutes.map(({ minute, ...counts }) => [minute, counts])),
  )
  return lastOf(present, MINUTES_KEPT).map((minute) => ({
    minute: isoTime(minute * MINUTE_MS),
    ...(sums.get(minute) ?? NOTHING),
  }))
}

/** Sums up each of the last so many hours, oldest first; the last one is the present hour up to now. */
export function perHour(shards: { hours?: HourCounts[] }[], now: number, count: number) {
  const hourMs = HOUR_MINUTES * MINUTE_MS
  const present = Math.floor(now / hourMs)
  const sums = sumsOf(
    shards.flatMap(({ hours = [] }) => hours.map(({ hour, ...counts }) => [hour, counts])),
  )
  return lastOf(present, count).map((hour) => ({
    hour: isoTime(hour * hourMs),
    ...(sums.get(hour) ?? NOTHING),
  }))
}

const NOTHING: Counts = { accepted: 0, stored: 0, delivered: 0, failed: 0 }

function sumsOf(counted: [span: number, counts: Counts][]): Map<number, Counts> {
  const sums = new Map<number, Counts>()
  for (const [span, counts] of counted) {
    const { accepted, stored, delivered, failed } = sums.get(span) ?? NOTHING
    sums.set(span, {
      accepted: accepted + counts.accepted,
      stored: stored + counts.stored,
      delivered: delivered + counts.delivered,
      failed: failed + counts.failed,
    })
  }
  return sums
}

const lastOf = (present: number, count: number) =>
  Array.from({ length: count }, (_, index) => present - count + 1 + index)
