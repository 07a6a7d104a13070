import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import type { Metrics } from '../client/types.ts'
import { badge, count, timeZone } from './format'
import {
  FINDERS,
  findersOf,
  labelOf,
  PRESETS,
  SORTS,
  statusesOf,
  type ViewChanges,
} from './inbox-view'
import { visible } from './json-source'

type Apply = (changes: ViewChanges) => void

/** What chooses the rows of the inbox. @param apply is told what was chosen; it begins at the first page */
export function filterBar(query: string, metrics: Metrics | undefined, apply: Apply) {
  return html`
    <div class="filters">
      ${statusFilter(query, metrics, apply)} ${timeFilter(query, apply)} ${finderForm(apply)}
    </div>
    ${chips(query, apply)}
  `
}

function statusFilter(query: string, metrics: Metrics | undefined, apply: Apply) {
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

function timeFilter(query: string, apply: Apply) {
  const view = new URLSearchParams(query)
  const isOwn = view.get('since') === 'own' || view.has('from') || view.has('to')
  const since = isOwn ? 'own' : (view.get('since') ?? '')
  const chooseTime = ({ target }: Event) => {
    if (target instanceof HTMLSelectElement)
      apply({ since: target.value, at: null, from: null, to: null })
  }
  const chooseSort = ({ target }: Event) => {
    if (target instanceof HTMLSelectElement) apply({ sort: target.value })
  }
  const applyTime = (name: 'from' | 'to', local: string) => {
    const time = utcTime(local)
    if (time !== undefined) apply({ since: 'own', [name]: time })
  }
  const bound = (name: 'from' | 'to', label: string) => html`
    <label
      >${label}
      <input
        type="datetime-local"
        step="1"
        name=${name}
        .value=${live(localTime(view.get(name)))}
        @change=${({ target }: Event) => target instanceof HTMLInputElement && applyTime(name, target.value)}
    /></label>
  `
  return html`
    <label
      ><span class="time">Time <small>${timeZone()}</small></span>
      <select name="since" .value=${live(since)} @change=${chooseTime}>
        <option value="" ?selected=${since === ''}>Any time</option>
        ${PRESETS.map(([name, label]) => html`<option value=${name} ?selected=${since === name}>${label}</option>`)}
        <option value="own" ?selected=${since === 'own'}>From and to …</option>
      </select>
    </label>
    <label
      >Sort
      <select name="sort" .value=${live(view.get('sort') ?? '')} @change=${chooseSort}>
        ${SORTS.map(([value, label]) => html`<option value=${value} ?selected=${(view.get('sort') ?? '') === value}>${label}</option>`)}
      </select>
    </label>
    ${since === 'own' ? html`<span class="bounds">${bound('from', 'From')} ${bound('to', 'To')}</span>` : nothing}
  `
}

/** Adds one filter. The browser itself says which field is missing. */
function finderForm(apply: Apply) {
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
    key.closest('label')?.toggleAttribute('hidden', !key.required)
  }
  return html`
    <form class="finder" aria-label="Find events" @submit=${add}>
      <label
        >Find by
        <select name="by" @change=${choose}>
          ${FINDERS.map(([name, label]) => html`<option value=${name}>${label}</option>`)}
        </select>
      </label>
      <label hidden
        >Key <input name="key" pattern=".*\\S.*" placeholder="customer.id" autocomplete="off"
      /></label>
      <label
        >Value <input name="value" required pattern=".*\\S.*" autocomplete="off" spellcheck="false"
      /></label>
      <button>Find</button>
    </form>
  `
}

function chips(query: string, apply: Apply) {
  const set = findersOf(query)
  if (set.length === 0) return nothing
  return html`
    <ul class="chips" aria-label="Filters">
      ${set.map(
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
