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
import { alert, count, explain } from './format'
import './inbox-detail'
import { filterForm } from './inbox-filters'
import { eventTable } from './inbox-table'
import { changedView, cursorsOf, isFiltered, requestOf, type ViewChanges } from './inbox-view'
import { styles } from './styles'

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
    args: () => [this.connection, requestOf(this.query), this.shown] as const,
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
    if (changed.has('tick') && cursorsOf(this.query).length === 0 && this.selected.size === 0)
      this.shown = this.tick
    if (changed.has('query')) this.selected = new Set()
  }

  override render() {
    const failed = this.#events.status === TaskStatus.ERROR
    return html`
      <section class="panel" aria-labelledby="title">
        <h2 id="title">Inbox</h2>
        ${filterForm(this.query, (changes) => this.#go(changes))}
        ${failed ? alert(explain(this.#events.error), () => void this.#events.run()) : nothing}
        ${alert(this.trouble)} ${this.#renderBar()}
        ${this.page ? this.#renderPage(this.page) : failed ? nothing : html`<p class="empty">Loading …</p>`}
      </section>
      <inbox-detail
        .connection=${this.connection}
        .eventId=${new URLSearchParams(this.query).get('event') ?? ''}
        .version=${this.shown}
        @close=${() => this.#go({ event: null })}
        @inbox-action=${({ detail }: CustomEvent<{ action: Action; id: string }>) =>
          this.#act(detail.action, [detail.id])}
      ></inbox-detail>
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
    const cursors = cursorsOf(this.query)
    return html`
      ${
        data.length === 0
          ? html`<p class="empty">
              ${
                next_cursor
                  ? 'None so far; there is more to look through on the next page.'
                  : isFiltered(this.query)
                    ? 'No event matches these filters.'
                    : 'No events yet. Send one, and it shows up here.'
              }
            </p>`
          : eventTable(data, {
              selected: this.selected,
              select: (ids) => this.#select(ids),
              open: (id) => this.#go({ event: id }),
              act: (action, ids) => void this.#act(action, ids),
            })
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

  #select(ids: ReadonlySet<string>): void {
    this.selected = ids
    this.news = ''
  }

  #go(changes: ViewChanges): void {
    const query = changedView(this.query, changes)
    this.news = ''
    if (query === changedView(this.query, {})) return
    this.dispatchEvent(new CustomEvent('inbox-query', { detail: query }))
  }
}

customElements.define('inbox-events', InboxEvents)
