import { Task, TaskStatus } from '@lit/task'
import { css, html, LitElement, nothing } from 'lit'
import {
  ackAll,
  act,
  type Action,
  type Connection,
  type InboxEvent,
  listEvents,
  type Page,
  type Status,
} from './api'
import { alert, badge, count, explain, STATUS_LABELS, time } from './format'
import './inbox-detail'
import { styles } from './styles'

const PAGE_SIZES = [25, 50, 100, 1_000]
const DONE: Record<Action, string> = {
  ack: 'acknowledged',
  nack: 'nacked',
  retry: 'made pending again',
  delete: 'deleted',
}
const EXPECTED: Partial<Record<Action, Status>> = { ack: 'delivered', retry: 'pending' }

/**
 * Shows the inbox as a table, with filters and pages, one whole event, and what can be done to it.
 *
 * @fires inbox-change - after events changed; `detail` is `{ action, ids }`
 * @fires inbox-query - the reader chose another view; `detail` is its query string
 */
export class InboxEvents extends LitElement {
  static override properties = {
    connection: { attribute: false },
    query: { attribute: false },
    tick: { attribute: false },
    selected: { state: true },
    shown: { state: true },
    news: { state: true },
    trouble: { state: true },
    page: { state: true },
  }

  static override styles = [
    styles,
    css`
      form {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr));
        align-items: end;
        gap: 0.6rem;
        margin-bottom: 1rem;
      }
      .wide {
        grid-column: span 2;
      }
      td.select {
        width: 2rem;
      }
      .actions {
        flex-wrap: nowrap;
      }
    `,
  ]

  declare connection: Connection
  /**
   * The view as a query string: status, from, to, field, key, value, limit, cursors, event.
   * `cursors` are those of the pages before.
   */
  declare query: string
  /** A number that rises when there may be news. */
  declare tick: number
  declare selected: ReadonlySet<string>
  declare shown: number
  declare news: string
  declare trouble: string
  declare page: Page<InboxEvent> | undefined

  #events = new Task(this, {
    args: () => [this.connection, this.#request(), this.shown] as const,
    task: ([connection, request], { signal }) => listEvents(connection, request, signal),
    onComplete: (page) => {
      this.page = page
    },
  })

  constructor() {
    super()
    this.query = ''
    this.tick = 0
    this.selected = new Set()
    this.shown = 0
    this.news = ''
    this.trouble = ''
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    // Only the first page shows news by itself, and not while the reader has events selected.
    if (changed.has('tick') && this.#cursors().length === 0 && this.selected.size === 0)
      this.shown = this.tick
    if (changed.has('query')) this.selected = new Set()
  }

  override render() {
    const failed = this.#events.status === TaskStatus.ERROR
    return html`
      <section class="panel" aria-labelledby="title">
        <h2 id="title">Inbox</h2>
        ${this.#renderFilters()}
        ${failed ? alert(explain(this.#events.error), () => void this.#events.run()) : nothing}
        ${alert(this.trouble)} ${this.#renderBar()}
        ${this.page ? this.#renderPage(this.page) : failed ? nothing : html`<p class="empty">Loading …</p>`}
      </section>
      <inbox-detail
        .connection=${this.connection}
        .eventId=${this.#view().get('event') ?? ''}
        .version=${this.shown}
        @close=${() => this.#go({ event: null })}
        @inbox-action=${({ detail }: CustomEvent<{ action: Action; id: string }>) =>
          this.#act(detail.action, [detail.id])}
      ></inbox-detail>
    `
  }

  #renderFilters() {
    const view = this.#view()
    const value = (name: string) => view.get(name) ?? ''
    const option = (name: string, choice: string, label: string) =>
      html`<option value=${choice} ?selected=${value(name) === choice}>${label}</option>`
    return html`
      <form aria-label="Filters" @change=${this.#filter} @submit=${this.#filter}>
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
        <label class="wide"
          >To <input type="datetime-local" name="to" .value=${value('to')}
        /></label>
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

  #renderBar() {
    const ids = [...this.selected]
    const rows = this.page?.data ?? []
    const failed = rows
      .filter((row) => this.selected.has(row.event_id) && row.status === 'failed')
      .map((row) => row.event_id)
    return html`
      <div class="row bar">
        <span role="status" class="quiet"
          >${this.news || (ids.length > 0 ? `${count(ids.length)} selected` : this.#summary())}</span
        >
        ${
          ids.length > 0
            ? html`<button class="main" @click=${() => this.#act('ack', ids)}>
                  Acknowledge selected
                </button>
                <button ?disabled=${failed.length === 0} @click=${() => this.#act('retry', failed)}>
                  Retry failed
                </button>`
            : nothing
        }
      </div>
    `
  }

  #summary(): string {
    if (!this.page) return ''
    const { data, total, unstored, stale } = this.page
    const missing = unstored ? `; ${count(unstored)} not yet in the database` : ''
    const behind = stale ? `; ${count(stale)} changes not yet shown` : ''
    const all = total === null || total === undefined ? '' : ` of ${count(total)}`
    return `${count(data.length)} shown${all}${missing}${behind}`
  }

  #renderPage({ data, next_cursor }: Page<InboxEvent>) {
    const cursors = this.#cursors()
    return html`
      ${
        data.length === 0
          ? html`<p class="empty">
              ${
                next_cursor
                  ? 'None so far; there is more to look through on the next page.'
                  : this.#isFiltered()
                    ? 'No event matches these filters.'
                    : 'No events yet. Send one, and it shows up here.'
              }
            </p>`
          : this.#renderTable(data)
      }
      <nav class="pages" aria-label="Pages">
        <button
          ?disabled=${cursors.length === 0}
          @click=${() => this.#go({ cursors: cursors.slice(0, -1).join(' ') })}
        >
          Newer
        </button>
        <button
          ?disabled=${!next_cursor}
          @click=${() => this.#go({ cursors: [...cursors, next_cursor].join(' ') })}
        >
          Older
        </button>
      </nav>
    `
  }

  #renderTable(rows: InboxEvent[]) {
    const all = rows.every((row) => this.selected.has(row.event_id))
    const selectAll = () => (this.selected = new Set(all ? [] : rows.map((row) => row.event_id)))
    return html`
      <table>
        <caption class="visually-hidden">
          Events, newest first
        </caption>
        <thead>
          <tr>
            <th>
              <input type="checkbox" aria-label="Select all" .checked=${all} @change=${selectAll} />
            </th>
            <th scope="col">Status</th>
            <th scope="col">Event</th>
            <th scope="col">Created</th>
            <th scope="col" class="number">Retries</th>
            <th scope="col">Actions</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => this.#renderRow(row))}
        </tbody>
      </table>
    `
  }

  #renderRow(row: InboxEvent) {
    const { event_id, status } = row
    return html`
      <tr>
        <td class="select" data-label="Select">
          <input
            type="checkbox"
            aria-label="Select ${event_id}"
            .checked=${this.selected.has(event_id)}
            @change=${() => this.#toggle(event_id)}
          />
        </td>
        <td data-label="Status">${badge(status)}</td>
        <td data-label="Event">
          <div>
            <button class="link" @click=${() => this.#go({ event: event_id })}>${event_id}</button>
            <code class="preview">${JSON.stringify(row.payload).slice(0, 200)}</code>
          </div>
        </td>
        <td data-label="Created">${time(row.created_at)}</td>
        <td data-label="Retries" class="number">${count(row.retry_count)}</td>
        <td data-label="Actions">
          <div class="row actions">
            ${
              status === 'pending'
                ? html`<button
                      aria-label="Ack ${event_id}"
                      @click=${() => this.#act('ack', [event_id])}
                    >
                      Ack
                    </button>
                    <button
                      aria-label="Nack ${event_id}"
                      @click=${() => this.#act('nack', [event_id])}
                    >
                      Nack
                    </button>`
                : nothing
            }
            ${
              status === 'failed'
                ? html`<button
                    aria-label="Retry ${event_id}"
                    @click=${() => this.#act('retry', [event_id])}
                  >
                    Retry
                  </button>`
                : nothing
            }
            <button
              class="danger"
              aria-label="Delete ${event_id}"
              @click=${() => this.#act('delete', [event_id])}
            >
              Delete
            </button>
          </div>
        </td>
      </tr>
    `
  }

  /** Shows the expected result at once, and says so when the service decides otherwise. */
  async #act(action: Action, ids: string[]): Promise<void> {
    if (
      action === 'delete' &&
      !confirm(`Delete ${ids.join(', ')}? It is removed everywhere and cannot be brought back.`)
    )
      return
    const before = this.page
    const expected = EXPECTED[action]
    if (before && expected) {
      const data = before.data.map((row) =>
        ids.includes(row.event_id) ? { ...row, status: expected } : row,
      )
      this.page = { ...before, data }
    }
    this.trouble = ''
    try {
      const refused =
        action === 'ack' && ids.length > 1
          ? await this.#ackMany(ids)
          : await this.#actOnEach(action, ids)
      this.news = `${count(ids.length - refused.length)} ${DONE[action]}.`
      this.trouble =
        refused.slice(0, 3).join(' ') +
        (refused.length > 3 ? ` And ${count(refused.length - 3)} more.` : '')
    } catch (error) {
      this.trouble = explain(error)
    }
    this.selected = new Set()
    if (action === 'delete') this.#go({ event: null })
    this.shown = this.tick + Math.random()
    this.dispatchEvent(
      new CustomEvent('inbox-change', { detail: { action, ids }, bubbles: true, composed: true }),
    )
  }

  /** Acknowledges many events. @returns the reason for each one that was not */
  async #ackMany(ids: string[]): Promise<string[]> {
    const results = await ackAll(this.connection, ids)
    return results.flatMap(({ error }) => (error ? [error.detail] : []))
  }

  async #actOnEach(action: Action, ids: string[]): Promise<string[]> {
    const settled = await Promise.allSettled(ids.map((id) => act(this.connection, action, id)))
    return settled.flatMap((each) => (each.status === 'rejected' ? [explain(each.reason)] : []))
  }

  #toggle(id: string): void {
    const selected = new Set(this.selected)
    if (!selected.delete(id)) selected.add(id)
    this.selected = selected
    this.news = ''
  }

  #filter = (event: Event): void => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const fields = Object.fromEntries(
      [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value) || null]),
    )
    this.#go({ ...fields, cursors: null })
  }

  #go(changes: Record<string, string | null>): void {
    const view = this.#view()
    for (const [name, value] of Object.entries(changes)) {
      if (value) view.set(name, value)
      else view.delete(name)
    }
    this.news = ''
    if (view.toString() === this.#view().toString()) return
    this.dispatchEvent(new CustomEvent('inbox-query', { detail: view.toString() }))
  }

  #view(): URLSearchParams {
    return new URLSearchParams(this.query)
  }

  #cursors(): string[] {
    return (this.#view().get('cursors') ?? '').split(' ').filter(Boolean)
  }

  #isFiltered(): boolean {
    return ['status', 'from', 'to', 'key'].some((name) => this.#view().has(name))
  }

  /** Returns the query string of the request that this view makes. */
  #request(): string {
    const view = this.#view()
    const request = new URLSearchParams({ limit: view.get('limit') ?? '50' })
    const status = view.get('status')
    if (status) request.set('status', status)
    for (const name of ['from', 'to']) {
      const local = view.get(name)
      if (local && !Number.isNaN(Date.parse(local)))
        request.set(name, new Date(local).toISOString())
    }
    const key = view.get('key')
    if (key) request.set(`${view.get('field') ?? 'payload'}.${key}`, view.get('value') ?? '')
    const cursor = this.#cursors().at(-1)
    if (cursor) request.set('cursor', cursor)
    return request.toString()
  }
}

customElements.define('inbox-events', InboxEvents)
