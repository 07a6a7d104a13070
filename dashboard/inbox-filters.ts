import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Metrics } from '../client/types.ts'
import { badge, count } from './format'
import {
  FINDERS,
  findersOf,
  isPreset,
  labelOf,
  PRESETS,
  SORTS,
  statusesOf,
  type ViewChanges,
} from './inbox-view'
import { visible } from './json-source'

/** This module draws what chooses the rows of the inbox. */

/** Is told what was chosen. With `replace`, Back does not lead to what was chosen before. */
type Apply = (changes: ViewChanges, options?: { replace: boolean }) => void

export function statusFilter(query: string, metrics: Metrics | undefined, apply: Apply) {
  const chosen = statusesOf(query)
  const toggle = (status: string) => {
    const rest = chosen.filter((each) => each !== status)
    apply({ status: (rest.length < chosen.length ? rest : [...chosen, status]).join(',') })
  }
  return html`
    <fieldset class="statuses">
      <legend class="visually-hidden">Status</legend>
      ${(['pending', 'delivered', 'failed'] as const).map(
        (status) => html`
          <label class="toggle">
            <input
              type="checkbox"
              name="status"
              .checked=${live(chosen.includes(status))}
              @change=${() => toggle(status)}
            />
            ${badge(status)}
            ${metrics ? html`<span class="count">${count(metrics[status])}</span>` : nothing}
          </label>
        `,
      )}
    </fieldset>
  `
}

const isOwnTime = (view: URLSearchParams) =>
  view.get('since') === 'own' || view.has('from') || view.has('to')

export function timeFilter(query: string, apply: Apply) {
  const view = new URLSearchParams(query)
  const since = isOwnTime(view) ? 'own' : isPreset(query) ? (view.get('since') ?? '') : ''
  const sort = view.get('sort') ?? ''
  const chooseTime = ({ target }: Event) => {
    if (target instanceof HTMLSelectElement)
      apply({ since: target.value, at: null, from: null, to: null })
  }
  const chooseSort = ({ target }: Event) => {
    if (target instanceof HTMLSelectElement) apply({ sort: target.value })
  }
  return html`
    <select name="since" aria-label="Time" .value=${live(since)} @change=${chooseTime}>
      ${options([['', 'Any time'], ...PRESETS, ['own', 'From and to …']], since)}
    </select>
    <select name="sort" aria-label="Sort" .value=${live(sort)} @change=${chooseSort}>
      ${options(SORTS, sort)}
    </select>
  `
}

/** The choices of a select: each a value and its label. */
export const options = (choices: readonly (readonly [string, string])[], chosen: string) =>
  choices.map(
    ([value, label]) =>
      html`<option value=${value} ?selected=${value === chosen}>${label}</option>`,
  )

/** The reader's own bounds, where these are wanted. While one is typed, no step of it is one to go back to. */
export function timeBounds(query: string, apply: Apply) {
  const view = new URLSearchParams(query)
  if (!isOwnTime(view)) return nothing
  const applyTime = (name: 'from' | 'to', local: string) => {
    const time = utcTime(local)
    if (time !== undefined) apply({ since: 'own', [name]: time }, { replace: true })
  }
  const bound = (name: 'from' | 'to', label: string) => html`
    <label class="inline"
      >${label}
      <input
        type="datetime-local"
        step="1"
        name=${name}
        .value=${live(localTime(view.get(name)))}
        @change=${({ target }: Event) => target instanceof HTMLInputElement && applyTime(name, target.value)}
    /></label>
  `
  return html`<div class="bounds">${bound('from', 'From')} ${bound('to', 'To')}</div>`
}

/** Adds one filter. The browser itself says which field is missing. */
export function finder(apply: Apply) {
  const add = (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget
    if (!(form instanceof HTMLFormElement)) return
    const given = new FormData(form)
    const by = String(given.get('by'))
    const name = by.endsWith('.') ? `${by}${String(given.get('key')).trim()}` : by
    apply({ [name]: String(given.get('value')).trim() })
    for (const input of form.querySelectorAll('input')) input.value = ''
  }
  const choose = ({ currentTarget }: Event) => {
    if (!(currentTarget instanceof HTMLSelectElement)) return
    const key = currentTarget.form?.querySelector<HTMLInputElement>('[name=key]')
    if (!key) return
    key.required = currentTarget.value.endsWith('.')
    key.hidden = !key.required
  }
  return html`
    <form class="finder" aria-label="Find events" @submit=${add}>
      <select name="by" aria-label="Find by" @change=${choose}>
        ${options(FINDERS, '')}
      </select>
      <input
        hidden
        name="key"
        aria-label="Key"
        pattern=".*\\S.*"
        placeholder="customer.id"
        autocomplete="off"
      />
      <input
        name="value"
        aria-label="Value"
        required
        pattern=".*\\S.*"
        placeholder="is exactly"
        autocomplete="off"
        spellcheck="false"
      />
      <button>Find</button>
    </form>
  `
}

export function chips(query: string, apply: Apply) {
  const set = findersOf(query)
  if (set.length === 0) return nothing
  return html`
    <ul class="chips" aria-label="Filters">
      ${repeat(
        set,
        ([name]) => name,
        ([name, value]) => html`
          <li>
            <span class="quiet">${labelOf(name)}</span> ${visible(value)}
            <button
              class="plain"
              aria-label="Remove the filter ${labelOf(name)} ${value}"
              @click=${() => apply({ [name]: null })}
            >
              ✕
            </button>
          </li>
        `,
      )}
      <li>
        <button
          class="plain"
          @click=${() => apply(Object.fromEntries(set.map(([name]) => [name, null])))}
        >
          Clear all
        </button>
      </li>
    </ul>
  `
}

/** A moment as a field for local times takes it. The address has it in UTC, so that a link is the same everywhere. */
function localTime(iso: string | null): string {
  const at = new Date(iso ?? '')
  if (Number.isNaN(at.getTime())) return ''
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** The same in UTC; undefined while a year is being typed. */
function utcTime(local: string): string | null | undefined {
  const at = new Date(local)
  if (!local) return null
  return at.getFullYear() >= 1970 && at.getFullYear() <= 9_999 ? at.toISOString() : undefined
}
