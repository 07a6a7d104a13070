import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isDay, isTimestamp, timestampMs } from '../../worker/http/time'

test('a day is one of the calendar', () => {
  for (const day of ['2026-11-21', '2028-02-29', '2000-02-29', '0001-01-01', '9999-12-31'])
    expect([day, isDay(day)]).toEqual([day, true])
  for (const day of ['', '2026-02-29', '1900-02-29', '2026-04-31', '2026-13-01', '2026-00-10', 'x'])
    expect([day, isDay(day)]).toEqual([day, false])
})

test('a timestamp has all its parts, each within its range', () => {
  const good = [
    '2026-11-21T08:30:00Z',
    '2026-11-21t08:30:00.123456789z',
    '2026-11-21T23:59:59+00:00',
    '2026-11-21T00:00:00-23:59',
    '0000-01-01T00:00:00Z',
  ]
  for (const text of good) expect([text, isTimestamp(text)]).toEqual([text, true])
  const bad = [
    '',
    'yesterday',
    '2026-11-21',
    '2026-11-21T08:30Z',
    '2026-11-21T08:30:00',
    '2026-11-21 08:30:00Z',
    '2026-11-21T08:30:00.Z',
    '2026-11-21T24:00:00Z',
    '2026-11-21T08:60:00Z',
    '2026-11-21T08:30:61Z',
    '2026-11-21T08:30:00+24:00',
    '2026-11-21T08:30:00+01:60',
    '2026-11-21T08:30:00+0100',
    '2026-02-30T08:30:00Z',
    '2026-11-21T08:30:00Z\n',
  ]
  for (const text of bad) expect([text, isTimestamp(text)]).toEqual([text, false])
})

test('a leap second comes at the end of a day in UTC, wherever the clock stands', () => {
  for (const text of [
    '2016-12-31T23:59:60Z',
    '1990-12-31T15:59:60-08:00',
    '2017-01-01T05:29:60.5+05:30',
    '2016-12-31T23:58:60-00:01',
    '2016-12-31T00:00:60+00:01',
  ])
    expect([text, isTimestamp(text)]).toEqual([text, true])
  for (const text of ['2016-12-31T23:58:60Z', '2016-12-31T23:59:60+01:00', '2016-12-31T12:00:60Z'])
    expect([text, isTimestamp(text)]).toEqual([text, false])
})

test('every moment that a Date can be is a timestamp', () => {
  const date = fc.date({
    min: new Date('0000-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  })
  fc.assert(fc.property(date, (each) => isTimestamp(each.toISOString())))
})

test('a timestamp is a moment, whatever its offset, case and digits', () => {
  const moments: [text: string, iso: string][] = [
    ['2026-11-21T08:30:00Z', '2026-11-21T08:30:00.000Z'],
    ['2026-11-21t08:30:00.123456789z', '2026-11-21T08:30:00.123Z'],
    ['2026-11-21T00:00:00.5-23:59', '2026-11-21T23:59:00.500Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2017-01-01T05:29:60.5+05:30', '2017-01-01T00:00:00.500Z'],
  ]
  for (const [text, iso] of moments)
    expect([text, timestampMs(text)]).toEqual([text, Date.parse(iso)])
  expect(timestampMs('2026-02-30T08:30:00Z')).toBeNull()
})
