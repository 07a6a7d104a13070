import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import type { Metrics, PreviewPage } from '../client/types.ts'
import { type Action, askFirst, change, type Outcome } from './actions'
import { alert, count, explain, explainChange, loading, several } from './format'
import { filterBar } from './inbox-filters'
import { eventsStyles } from './inbox-events-styles'
import { eventTable, type Row } from './inbox-table'
import {
  changedView,
  cursorsOf,
  isFiltered,
  listedBy,
  PAGE_SIZES,
  requestOf,
  statusesOf,
  type ViewChanges,
} from './inbox-view'
import { Loader } from './loader'
import { styles } from './styles'
import { type Desk, isNearRows, View } from './view'

const DONE: Record<Action, string> = {
  ack: 'acknowledged',
  nack: 'nacked',
  retry: 'made pending again',
  delete: 'deleted',
}

/** A page of rows, when it was asked for, and how many events waited for D1 then. */
interface Listed extends PreviewPage {
  askedAt: number
  waiting: number
}

/**
 * Shows the inbox as a table, with filters and pages, and what can be done to each event.
 *
 * @fires inbox-change - after events changed; `detail` is `{ action, ids }`
 */
export class InboxEvents extends View {
  static override properties = {
    desk: { attribute: false },
    metrics: { attribute: false },
    query: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
    changes: { attribute: false },
    selected: { state: true },
    busy: { state: true },
    said: { state: true },
    trouble: { state: true },
    changed: { state: true },
  }

  static override styles = [styles, eventsStyles]

  declare desk: Desk
  declare metrics: Metrics | undefined
  /** The view as a query string; see `inbox-view.ts`. */
  declare query: string
  /** Changes when there may be news. */
  declare news: string
  declare tick: number
  /** How often the reader changed something. */
  declare changes: number
  declare selected: ReadonlySet<string>
  declare busy: ReadonlySet<string>
  /** What was done last. */
  declare said: string
  declare trouble: string
  /** What was done to rows since they came. */
  declare changed: ReadonlyMap<string, Outcome & { at: number }>

  #events = new Loader<Listed>(
    this,
    async (key, signal) => {
      const askedAt = Date.now()
      const page = await this.desk.inbox.list(
        { ...requestOf(key, askedAt), body: 'preview' },
        { signal },
      )
      return { ...page, askedAt, waiting: this.metrics?.queue_depth ?? 0 }
    },
    (shown, waiting) => this.#isHeld(shown, waiting),
  )

  constructor() {
    super()
    this.query = ''
    this.news = ''
    this.tick = 0
    this.changes = 0
    this.selected = new Set()
    this.busy = new Set()
    this.said = ''
    this.trouble = ''
    this.changed = new Map()
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    const before: unknown = changed.get('query')
    const isOther = typeof before === 'string' && listedBy(before) !== listedBy(this.query)
    if (isOther) {
      this.selected = new Set()
      this.said = this.trouble = ''
    }
    // Later pages stay as they are unless the reader changes something: their rows would move from page to page.
    const isFirst = cursorsOf(this.query).length === 0
    // What counts from now is asked for each minute.
    const minute = new URLSearchParams(this.query).has('since')
      ? Math.floor(Date.now() / 60_000)
      : 0
    const news = !isFirst ? `later ${this.changes}` : this.news && `${this.news} ${minute}`
    this.#events.want(listedBy(this.query), news, this.tick)
  }

  override render() {
    const { value, error, isSlow, valueKey } = this.#events
    const isOld = value !== undefined && valueKey !== listedBy(this.query)
    return html`
      <section
        class="panel"
        aria-labelledby="title"
        aria-busy=${isSlow || isOld ? 'true' : 'false'}
      >
        <h2 id="title">Inbox</h2>
        ${filterBar(this.query, this.metrics, (changes) => this.#go({ ...changes, cursors: null }))}
        ${error === undefined ? nothing : alert(explain(error), this.#events.again)}
        ${this.#renderBar(isOld ? undefined : value)}
        ${value ? this.#renderPage(value, isOld) : error ? nothing : loading(isSlow)}
        <div class="last">${alert(this.trouble)}</div>
      </section>
    `
  }

  #rows(page: Listed | undefined): Row[] {
    return (page?.data ?? []).map((row) => {
      const { at, ...outcome } = this.changed.get(row.event_id) ?? { at: 0 }
      // A list that was asked for later knows better.
      return page && at > page.askedAt ? { ...row, ...outcome } : row
    })
  }

  #renderBar(page: Listed | undefined) {
    const ids = [...this.selected]
    const rows = this.#rows(page).filter(({ event_id }) => this.selected.has(event_id))
    const idsOf = (status: string) =>
      rows
        .filter((row) => row.status === status && !this.busy.has(row.event_id))
        .map(({ event_id }) => event_id)
    const [pending, failed] = [idsOf('pending'), idsOf('failed')]
    return html`
      <div class="row bar" @focusout=${this.#letGo} @pointerleave=${this.#letGo}>
        <span class="told quiet">
          <span role="status"
            >${[this.said, ids.length > 0 && `${count(ids.length)} selected.`].filter(Boolean).join(' ')}</span
          >
          ${this.#summary(page)}
        </span>
        ${this.#renderNews(page)}
        ${
          ids.length > 0
            ? html`<button
                  class="main"
                  ?disabled=${pending.length === 0}
                  @click=${() => this.#ackMany(pending)}
                >
                  Acknowledge selected
                </button>
                <button ?disabled=${failed.length === 0} @click=${() => this.#retryMany(failed)}>
                  Retry failed
                </button>
                <button class="plain" @click=${() => this.#select(new Set())}>Select none</button>`
            : nothing
        }
      </div>
    `
  }

  /** What came since, and waits until the reader wants it or takes the hand away. */
  #renderNews(page: Listed | undefined) {
    const { waiting } = this.#events
    if (!page || !waiting) return nothing
    const known = new Set(page.data.map(({ event_id }) => event_id))
    const fresh = waiting.data.filter(({ event_id }) => !known.has(event_id)).length
    const text = fresh > 0 ? several(fresh, 'new event') : 'Changes'
    return html`<button @click=${this.#show}>${text}: show</button>`
  }

  #summary(page: Listed | undefined): string {
    if (!page) return ''
    const { data, total, unstored, stale } = page
    const all = total === null || total === undefined ? '' : ` of ${count(total)}`
    const behind = stale ? `; ${several(stale, 'change')} not yet shown` : ''
    return `${count(data.length)} shown${all}${this.#missing(unstored ?? 0, page.waiting)}${behind}`
  }

  /** Says how many events the database does not have, where they would be in the list. */
  #missing(unstored: number, waiting: number): string {
    const chosen = statusesOf(this.query)
    const isWanted = (status: 'pending' | 'failed') =>
      chosen.length === 0 || chosen.includes(status)
    const depth = Math.max(waiting, this.metrics?.queue_depth ?? 0)
    const coming = isWanted('pending') ? Math.min(unstored, depth) : 0
    const refused = isWanted('failed') ? unstored - Math.min(unstored, depth) : 0
    return (
      (coming > 0 ? `; ${several(coming, 'event')} not yet in the database` : '') +
      (refused > 0
        ? `; ${several(refused, 'event')} refused by the database, among the dead letters only`
        : '')
    )
  }

  #renderPage(page: Listed, isOld: boolean) {
    const { data, next_cursor } = page
    const cursors = cursorsOf(this.query)
    const view = new URLSearchParams(this.query)
    const older = {
      cursors: [...cursors, next_cursor].join(' '),
      ...(view.has('since') && !view.has('at') && { at: String(page.askedAt) }),
    }
    const chooseSize = ({ target }: Event) => {
      if (target instanceof HTMLSelectElement) this.#go({ limit: target.value, cursors: null })
    }
    return html`
      <div
        class=${isOld ? 'rows old' : 'rows'}
        ?inert=${isOld}
        @focusout=${this.#letGo}
        @pointerleave=${this.#letGo}
      >
        ${
          data.length === 0
            ? html`<p class="empty">${this.#nothingFound(next_cursor)}</p>`
            : eventTable(this.#rows(page), {
                desk: this.desk,
                query: this.query,
                selected: this.selected,
                busy: this.busy,
                select: (ids) => this.#select(ids),
                act: (action, id) => void this.#act(action, id),
              })
        }
      </div>
      <nav class="pages" aria-label="Pages">
        <label class="inline"
          >Page size
          <select .value=${live(view.get('limit') ?? '50')} @change=${chooseSize}>
            ${PAGE_SIZES.map((size) => html`<option value=${size} ?selected=${String(size) === (view.get('limit') ?? '50')}>${count(size)}</option>`)}
          </select>
        </label>
        <button
          ?disabled=${isOld || cursors.length === 0}
          @click=${() => this.#go({ cursors: cursors.slice(0, -1).join(' '), ...(cursors.length === 1 && { at: null }) })}
        >
          Newer
        </button>
        <button ?disabled=${isOld || !next_cursor} @click=${() => this.#go(older)}>Older</button>
      </nav>
    `
  }

  #nothingFound(next_cursor: string | null): string {
    if (next_cursor) return 'None so far; there is more to look through on the next page.'
    return isFiltered(this.query)
      ? 'No event matches these filters.'
      : 'No events yet. Send one, and it shows up here.'
  }

  /** A newer list must wait while it would move, or change, what the reader is about to press. */
  #isHeld(shown: Listed, waiting: Listed): boolean {
    const seen = (page: Listed) =>
      JSON.stringify(
        this.#rows(page).map(({ event_id, status, retry_count }) => [
          event_id,
          status,
          retry_count,
        ]),
      )
    if (seen(shown) === seen(waiting)) return false
    return this.selected.size > 0 || isNearRows(this.renderRoot)
  }

  /** Has a newer list shown once the hand is out of the way, which it is after this event. */
  #letGo = (): void => void setTimeout(() => this.requestUpdate())

  #show = (): void => {
    const listed = new Set(this.#events.waiting?.data.map(({ event_id }) => event_id))
    this.selected = new Set([...this.selected].filter((id) => listed.has(id)))
    this.#events.show()
  }

  async #act(action: Action, id: string): Promise<void> {
    const { desk } = this
    if (this.busy.has(id)) return
    const reply = await askFirst(desk, action, id)
    if (!reply) return
    await this.#do(action, [id], async () => {
      return { moved: new Map([[id, await change(desk, action, id, reply)]]), refused: [] }
    })
  }

  #ackMany(ids: string[]): Promise<void> {
    return this.#do('ack', ids, async () => {
      const results = await this.desk.inbox.ackMany(ids)
      const refused = results.flatMap((result) => ('error' in result ? [result.error.detail] : []))
      const done = results.filter((result) => !('error' in result))
      return {
        moved: new Map(done.map(({ event_id }) => [event_id, { status: 'delivered' }])),
        refused,
      }
    })
  }

  #retryMany(ids: string[]): Promise<void> {
    return this.#do('retry', ids, async () => {
      const { redriven, skipped } = await this.desk.inbox.redrive({ event_ids: ids })
      const refused = skipped > 0 ? [`${several(skipped, 'event')} no longer failed.`] : []
      // It does not say which.
      const moved = skipped > 0 ? [] : ids
      return {
        moved: new Map(moved.map((id) => [id, { status: 'pending' }])),
        refused,
        count: redriven,
      }
    })
  }

  /** Does something, and says what became of it. Nothing is shown as done before the service says so. */
  async #do(action: Action, ids: string[], work: () => Promise<Done>): Promise<void> {
    const row = this.shadowRoot?.activeElement?.closest('tr')
    this.busy = new Set([...this.busy, ...ids])
    this.trouble = this.said = ''
    try {
      const { moved, refused, count: number = moved.size } = await work()
      const at = Date.now()
      const outcomes = [...moved].map(([id, outcome]) => [id, { ...outcome, at }] as const)
      this.changed = new Map([...this.changed, ...outcomes])
      this.said = `${ids.length === 1 ? ids[0] : count(number)} ${DONE[action]}.`
      this.trouble = refused.slice(0, 3).join(' ')
      if (refused.length > 3) this.trouble += ` And ${count(refused.length - 3)} more.`
      if (number === 0) this.said = ''
      this.selected = new Set([...this.selected].filter((id) => !ids.includes(id)))
      this.tellChange(action, moved.size > 0 ? [...moved.keys()] : ids)
    } catch (error) {
      this.trouble = `${ids.length === 1 ? ids[0] : several(ids.length, 'event')}: ${explainChange(error)}`
    }
    this.busy = new Set([...this.busy].filter((id) => !ids.includes(id)))
    await this.updateComplete
    // The button that had the focus may be gone; the next key must not begin at the top of the page.
    if (row && !this.shadowRoot?.activeElement) row.querySelector('a')?.focus()
  }

  #select(ids: ReadonlySet<string>): void {
    this.selected = ids
    this.said = ''
  }

  #go(changes: ViewChanges): void {
    const query = changedView(this.query, changes)
    this.said = ''
    this.desk.go(query ? `inbox?${query}` : 'inbox')
  }
}

/** What was moved to which status, and why the rest was not. */
interface Done {
  moved: ReadonlyMap<string, Outcome>
  refused: string[]
  count?: number
}

customElements.define('inbox-events', InboxEvents)
