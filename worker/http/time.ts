/** Says whether `date`, such as 2026-11-21, is a real day. Date.parse alone takes 30 February for one in March. */
export function isDay(date: string): boolean {
  const at = Date.parse(date)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(date)
}

const TIMESTAMP =
  /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(?:\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** Says whether `text` is a timestamp (RFC 3339 §5.6). The second 60 is a leap second, only after 23:59:59 in UTC. */
export function isTimestamp(text: string): boolean {
  const [, date = '', minute, second, offset = ''] = TIMESTAMP.exec(text) ?? []
  if (!isDay(date)) return false
  const utc = new Date(`${date}T${minute}:00${offset.toUpperCase()}`)
  return second !== '60' || utc.toISOString().slice(11, 16) === '23:59'
}

/** Reads a timestamp to milliseconds since 1970; null for what is none. A leap second is the one that follows it. */
export function timestampMs(text: string): number | null {
  if (!isTimestamp(text)) return null
  const isLeap = text.slice(17, 19) === '60'
  const ordinary = isLeap ? `${text.slice(0, 17)}59${text.slice(19)}` : text
  return Date.parse(ordinary.toUpperCase()) + (isLeap ? 1_000 : 0)
}
