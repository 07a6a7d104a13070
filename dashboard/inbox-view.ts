import type { Filter, Status } from '../client/types.ts'
import { STATUS_LABELS } from './format'

/**
 * This module reads a view of the inbox, which is a query string in the address. Filters have the names that they have
 * in `GET /inbox`. Beside them are `since` (a preset), `at` (the moment that it counts from, on later pages), `cursors`
 * (those of the pages before) and `event` (the open one). Nothing here touches the page.
 */

/** Members to change; null or empty takes one out. */
export type ViewChanges = Record<string, string | null>

export const PAGE_SIZES = [25, 50, 100, 1_000]

/** Presets of time, in minutes; `today` begins at the reader's midnight. */
export const PRESETS = [
  ['15m', 'Last 15 minutes'],
  ['1h', 'Last hour'],
  ['today', 'Today'],
] as const

export const SORTS = [
  ['', 'Newest first'],
  ['created_at asc', 'Oldest first'],
  ['updated_at desc', 'Changed last'],
  ['retry_count desc', 'Most retries'],
] as const

/** What an event can be found by. Those that end in a dot take the path of a member. */
export const FINDERS = [
  ['event_id', 'Event id'],
  ['correlation_id', 'Correlation id'],
  ['metadata.source', 'Source'],
  ['subscription', 'Subscription'],
  ['metadata.type', 'Type'],
  ['payload.', 'Payload member'],
  ['metadata.', 'Metadata member'],
] as const

/** Whether a view shows what came since a moment that goes on with the clock. */
export function isPreset(query: string): boolean {
  const since = new URLSearchParams(query).get('since')
  return PRESETS.some(([name]) => name === since)
}

/** The query string with some of its members set, or taken out where they are null or empty. */
export function changedView(query: string, changes: ViewChanges): string {
  const view = new URLSearchParams(query)
  for (const [name, value] of Object.entries(changes)) {
    if (value) view.set(name, value)
    else view.delete(name)
  }
  return view.toString()
}

/** The cursors of the pages before, oldest first; none on the first page. */
export function cursorsOf(query: string): string[] {
  return (new URLSearchParams(query).get('cursors') ?? '').split(' ').filter(Boolean)
}

/** The statuses that are shown; none means all. What is no status is none of them. */
export function statusesOf(query: string): Status[] {
  const given = (new URLSearchParams(query).get('status') ?? '').split(',')
  return (['pending', 'delivered', 'failed'] as const).filter((status) => given.includes(status))
}

const isFinder = (name: string) =>
  FINDERS.some(([finder]) => (finder.endsWith('.') ? name.startsWith(finder) : name === finder))

/** The filters that are set one by one: each name with its value. */
export function findersOf(query: string): [string, string][] {
  return [...new URLSearchParams(query)].filter(([name]) => isFinder(name))
}

export function isFiltered(query: string): boolean {
  const view = new URLSearchParams(query)
  return (
    ['status', 'since', 'from', 'to'].some((name) => view.has(name)) || findersOf(query).length > 0
  )
}

/** The name of a filter, for a reader. */
export function labelOf(name: string): string {
  return FINDERS.find(([finder]) => finder === name)?.[1] ?? name
}

/** What identifies the rows that a view shows; the open event does not. */
export function listedBy(query: string): string {
  return changedView(query, { event: null })
}

/** What `GET /inbox` is asked for. What is wrong with a view goes to the service as well, which says so. */
export function requestOf(query: string, now: number): Filter {
  const view = new URLSearchParams(query)
  const status = view.get('status') as Status | null
  const [sort, order] = (view.get('sort') ?? '').split(' ')
  const cursor = cursorsOf(query).at(-1)
  const members = findersOf(query)
  const isMember = ([name]: [string, string]) => /^(payload|metadata)\./.test(name)
  const from = presetStart(view.get('since'), Number(view.get('at')) || now) ?? view.get('from')
  const time = (given: string | null) =>
    given
      ? { time: Number.isNaN(Date.parse(given)) ? given : new Date(given).toISOString() }
      : undefined
  const begin = time(from)
  const end = time(view.get('to'))
  return {
    limit: Number(view.get('limit') ?? 50),
    ...(status && { status }),
    ...(begin && { from: begin.time }),
    ...(end && { to: end.time }),
    ...(sort && order && ({ sort, order } as Filter)),
    ...(cursor && { cursor }),
    ...Object.fromEntries(members.filter((member) => !isMember(member))),
    filter: Object.fromEntries(members.filter(isMember)),
  }
}

function presetStart(preset: string | null, now: number): string | null {
  if (preset === '15m') return new Date(now - 15 * 60_000).toISOString()
  if (preset === '1h') return new Date(now - 60 * 60_000).toISOString()
  if (preset === 'today') return new Date(new Date(now).setHours(0, 0, 0, 0)).toISOString()
  return null
}

/** Says in a few words what a view shows. */
export function titleOf(label: string, query: string): string {
  const view = new URLSearchParams(query)
  const event = view.get('event')
  if (event) return event
  const statuses = statusesOf(query).map((status) => STATUS_LABELS[status])
  const preset = PRESETS.find(([name]) => name === view.get('since'))?.[1]
  const found = findersOf(query).map(([name, value]) => `${labelOf(name)} ${value}`)
  const parts = [statuses.join(' and '), preset, ...found].filter(Boolean)
  return parts.length > 0 ? `${label}: ${parts.join(', ')}` : label
}
