import { Task, TaskStatus } from '@lit/task'
import { css, html, LitElement, nothing } from 'lit'
import { type Connection, type DeadLetter, listDeadLetters, type Page, redrive } from './api'
import { alert, count, explain, time } from './format'
import { styles } from './styles'

const PAGE = 50

/**
 * Lists the dead letters with their reasons, and redrives them.
 *
 * @fires inbox-change - after letters were redriven; `detail` is `{ action, ids }`
 */
export class InboxDeadLetters extends LitElement {
  static override properties = {
    connection: { attribute: false },
    tick: { attribute: false },
    selected: { state: true },
    offset: { state: true },
    shown: { state: true },
    page: { state: true },
    news: { state: true },
    trouble: { state: true },
  }

  static override styles = [
    styles,
    css`
      td {
        overflow-wrap: anywhere;
      }
    `,
  ]

  declare connection: Connection
  /** A number that rises when there may be news. */
  declare tick: number
  declare selected: ReadonlySet<string>
  declare offset: number
  declare shown: number
  declare page: Page<DeadLetter> | undefined
  declare news: string
  declare trouble: string

  #letters = new Task(this, {
    args: () => [this.connection, this.offset, this.shown] as const,
    task: ([connection, offset], { signal }) => listDeadLetters(connection, offset, signal),
    onComplete: (page) => {
      this.page = page
    },
  })

  constructor() {
    super()
    this.tick = 0
    this.shown = 0
    this.offset = 0
    this.selected = new Set()
    this.news = ''
    this.trouble = ''
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('tick') && this.selected.size === 0) this.shown = this.tick
  }

  override render() {
    const failed = this.#letters.status === TaskStatus.ERROR
    return html`
      <section class="panel" aria-labelledby="title">
        <h2 id="title">Dead letters</h2>
        ${failed ? alert(explain(this.#letters.error), () => void this.#letters.run()) : nothing}
        ${alert(this.trouble)}
        ${this.page ? this.#renderPage(this.page) : failed ? nothing : html`<p class="empty">Loading …</p>`}
      </section>
    `
  }

  #renderPage({ data, total }: Page<DeadLetter>) {
    const all = total ?? data.length
    const ids = [...this.selected]
    return html`
      <div class="row bar">
        <span role="status" class="quiet"
          >${this.news || `${count(data.length)} shown of ${count(all)}`}</span
        >
        <button class="main" ?disabled=${ids.length === 0} @click=${() => this.#redrive(ids)}>
          Redrive ${ids.length > 0 ? `${count(ids.length)} ` : ''}selected
        </button>
        <button ?disabled=${all === 0} @click=${() => this.#redrive(null)}>
          Redrive all ${count(all)}
        </button>
      </div>
      ${data.length === 0 ? html`<p class="empty">No dead letters.</p>` : this.#renderTable(data)}
      <nav class="pages" aria-label="Pages">
        <button ?disabled=${this.offset === 0} @click=${() => (this.offset -= PAGE)}>Newer</button>
        <button ?disabled=${this.offset + PAGE >= all} @click=${() => (this.offset += PAGE)}>
          Older
        </button>
      </nav>
    `
  }

  #renderTable(letters: DeadLetter[]) {
    return html`
      <table>
        <caption class="visually-hidden">
          Dead letters, newest first
        </caption>
        <thead>
          <tr>
            <th><span class="visually-hidden">Select</span></th>
            <th scope="col">Event</th>
            <th scope="col">Reason</th>
            <th scope="col" class="number">Attempts</th>
            <th scope="col">Failed</th>
            <th scope="col">Actions</th>
          </tr>
        </thead>
        <tbody>
          ${letters.map(
            ({ event_id, reason, retry_count, failed_at }) => html`
              <tr>
                <td data-label="Select">
                  <input
                    type="checkbox"
                    aria-label="Select ${event_id}"
                    .checked=${this.selected.has(event_id)}
                    @change=${() => this.#toggle(event_id)}
                  />
                </td>
                <td data-label="Event">${event_id}</td>
                <td data-label="Reason">${reason}</td>
                <td data-label="Attempts" class="number">${count(retry_count)}</td>
                <td data-label="Failed">${time(failed_at)}</td>
                <td data-label="Actions">
                  <button
                    aria-label="Redrive ${event_id}"
                    @click=${() => this.#redrive([event_id])}
                  >
                    Redrive
                  </button>
                </td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    `
  }

  /** Redrives these letters, or all of them when `ids` is null. */
  async #redrive(ids: string[] | null): Promise<void> {
    this.trouble = ''
    try {
      const { redriven, skipped } = await redrive(
        this.connection,
        ids ? { event_ids: ids } : { all: true },
      )
      this.news = `${count(redriven)} redriven${skipped > 0 ? `, ${count(skipped)} no longer failed` : ''}.`
    } catch (error) {
      this.trouble = explain(error)
    }
    this.selected = new Set()
    this.shown = this.tick + Math.random()
    this.dispatchEvent(
      new CustomEvent('inbox-change', {
        detail: { action: 'redrive', ids },
        bubbles: true,
        composed: true,
      }),
    )
  }

  #toggle(id: string): void {
    const selected = new Set(this.selected)
    if (!selected.delete(id)) selected.add(id)
    this.selected = selected
    this.news = ''
  }
}

customElements.define('inbox-dead-letters', InboxDeadLetters)
