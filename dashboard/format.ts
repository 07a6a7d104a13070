import { html, nothing, type TemplateResult } from 'lit'
import { ApiProblem, type Status } from './api'

/** This module formats values in the reader's language. */

const numbers = new Intl.NumberFormat()
const rates = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const clocks = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

export const count = (value: number) => numbers.format(value)
export const rate = (value: number) => rates.format(value)
export const moment = (iso: string) => moments.format(new Date(iso))

/** Formats the time of day of a moment in seconds since 1970. */
export const clock = (seconds: number) => clocks.format(seconds * 1000)

export function ago(iso: string): string {
  const seconds = Math.min(0, (Date.parse(iso) - Date.now()) / 1000)
  const [unit, length] = UNITS.find(([, each]) => -seconds >= each) ?? (['second', 1] as const)
  return relative.format(Math.round(seconds / length), unit)
}

export function time(iso: string): TemplateResult {
  return html`<time datetime=${iso} title=${iso}>${moment(iso)}</time>`
}

export const STATUS_LABELS: Record<Status, string> = {
  pending: 'Pending',
  delivered: 'Delivered',
  failed: 'Failed',
}

export function badge(status: Status): TemplateResult {
  return html`<span class="badge ${status}" part="badge">${STATUS_LABELS[status]}</span>`
}

/** Says what went wrong, in words for a reader. */
export function explain(error: unknown): string {
  if (error instanceof ApiProblem) return error.message
  return 'The service cannot be reached. Is it running, and does it allow this page?'
}

export function alert(message: string | undefined, retry?: () => void) {
  if (!message) return nothing
  return html`<p class="alert" role="alert">
    ${message} ${retry ? html`<button @click=${retry}>Try again</button>` : nothing}
  </p>`
}
