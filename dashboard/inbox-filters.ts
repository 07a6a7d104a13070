import { html } from 'lit'
import { count, STATUS_LABELS } from './format'
import type { ViewChanges } from './inbox-view'

const PAGE_SIZES = [25, 50, 100, 1_000]

/** The form that filters the inbox. @param apply is told what was chosen */
export function filterForm(query: string, apply: (changes: ViewChanges) => void) {
  const view = new URLSearchParams(query)
  const choose = (event: Event) => {
    event.preventDefault()
    if (event.currentTarget instanceof HTMLFormElement) apply(chosenIn(event.currentTarget))
  }
  const value = (name: string) => view.get(name) ?? ''
  const option = (name: string, choice: string, label: string) =>
    html`<option value=${choice} ?selected=${value(name) === choice}>${label}</option>`
  return html`
    <form aria-label="Filters" @change=${choose} @submit=${choose}>
      <label
        >Status
        <select name="status">
          ${option('status', '', 'All')}
          ${Object.entries(STATUS_LABELS).map(([status, label]) => option('status', status, label))}
        </select>
      </label>
      <label class="wide"
        >From <input type="datetime-local" name="from" .value=${value('from')}
      /></label>
      <label class="wide">To <input type="datetime-local" name="to" .value=${value('to')} /></label>
      <label
        >Field
        <select name="field">
          ${option('field', 'payload', 'Payload')} ${option('field', 'metadata', 'Metadata')}
        </select>
      </label>
      <label>Key <input name="key" placeholder="customer.id" .value=${value('key')} /></label>
      <label>Value <input name="value" .value=${value('value')} /></label>
      <label
        >Page size
        <select name="limit">
          ${PAGE_SIZES.map((size) => option('limit', size === 50 ? '' : String(size), count(size)))}
        </select>
      </label>
      <button>Apply</button>
    </form>
  `
}

/** What a form has in its fields. Other filters begin again at the first page. */
function chosenIn(form: HTMLFormElement): ViewChanges {
  const fields = [...new FormData(form)].map(([name, value]) => [name, String(value) || null])
  return { ...Object.fromEntries(fields), cursors: null }
}
