import { html, nothing, type TemplateResult } from 'lit'
import { InboxError } from '../client/error.ts'
import { visible } from './json-source'

/** This module formats values in the reader's language. */

/**
 * English, which the page is written in, with the customs of the reader's region: the order of dates, 12 or 24 hours.
 * Plain English where the browser's own locale is malformed, as `en-US@posix` is, which some have.
 */
const locale = ((): string => {
  try {
    const { region = 'GB' } = new Intl.Locale(navigator.language).maximize()
    return new Intl.Locale('en', { region }).toString()
  } catch {
    return 'en'
  }
})()

const numbers = new Intl.NumberFormat(locale)
const rates = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 })
const moments = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' })
const clocks = new Intl.DateTimeFormat(locale, { timeStyle: 'short' })
const exactClocks = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' })
const hours = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  hour: 'numeric',
  minute: '2-digit',
})
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

export const count = (value: number) => numbers.format(value)
export const rate = (value: number) => rates.format(value)
const moment = (iso: string) => moments.format(new Date(iso))
/** Formats the time of day, to the minute. */
export const clock = (iso: string) => clocks.format(new Date(iso))
/** Formats the time of day, to the second. */
export const exactClock = (at: number) => exactClocks.format(at)
/** Formats a day and its hour. */
export const dayAndHour = (iso: string) => hours.format(new Date(iso))

/** Writes a number of things: "1 event", "1,000 events". */
export const several = (value: number, one: string, many = `${one}s`) =>
  `${count(value)} ${value === 1 ? one : many}`

/** Writes a number of bytes, short. */
export function size(bytes: number): string {
  if (bytes < 1_000) return several(bytes, 'byte')
  return bytes < 1_000_000 ? `${rate(bytes / 1_000)} kB` : `${rate(bytes / 1_000_000)} MB`
}

/** Writes how long something takes or took. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${rate(seconds)} s`
  if (seconds < 7_200) return `${count(Math.round(seconds / 60))} min`
  return seconds < 172_800
    ? `${count(Math.round(seconds / 3_600))} h`
    : several(Math.round(seconds / 86_400), 'day')
}

/** Says how long ago a moment was; what a clock that is ahead says of the future is now. */
export function ago(iso: string): string {
  const seconds = Math.min(0, (Date.parse(iso) - Date.now()) / 1_000)
  const [unit, length] = UNITS.find(([, each]) => -seconds >= each) ?? (['second', 1] as const)
  return relative.format(Math.round(seconds / length), unit)
}

/** The name of the reader's time zone, with its offset from UTC. */
export function timeZone(): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZoneName: 'shortOffset' }).formatToParts()
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const { timeZone: name } = new Intl.DateTimeFormat(locale).resolvedOptions()
  return name === 'UTC' ? name : `${name}, ${offset}`
}

export function time(iso: string, text = moment(iso)): TemplateResult {
  return html`<time datetime=${iso} title=${iso}>${text}</time>`
}

export const STATUS_LABELS: Record<string, string> = {
  pending: 'Pending',
  delivered: 'Delivered',
  failed: 'Failed',
  deleted: 'Deleted',
  ready: 'Ready',
  leased: 'Leased',
  scheduled: 'Scheduled',
}

export function badge(status: string): TemplateResult {
  return html`<span class="badge ${status}" part="badge">${STATUS_LABELS[status] ?? status}</span>`
}

/** Says what went wrong, in words for a reader; of a change without an answer, that it may be done. */
export const explainChange = (error: unknown) =>
  error instanceof InboxError && error.status === 0
    ? `${explain(error)} It may have been done all the same.`
    : explain(error)

/** Says what went wrong, in words for a reader. */
export function explain(error: unknown): string {
  if (!(error instanceof InboxError)) return `This page made a mistake: ${String(error)}`
  if (error.status > 0) return visible(error.detail)
  return error.detail.startsWith('There was none within')
    ? 'The service does not answer in time. It may be overloaded, or away.'
    : 'The service cannot be reached. Is it running, and does it allow this page?'
}

/** A message of what went wrong, with a button that does something about it. */
export function alert(message: string | undefined, act?: () => void, label = 'Try again') {
  if (!message) return nothing
  return html`<p class="alert" role="alert">
    <span>${message}</span> ${act ? html`<button @click=${act}>${label}</button>` : nothing}
  </p>`
}

/** What stands in the place of something that is on its way. It is seen only when that takes a while. */
export const loading = () => html`<p class="empty waits" role="status">Loading …</p>`
