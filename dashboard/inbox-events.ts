import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import type { Metrics, PreviewPage } from '../client/types.ts'
import { type Action, askFirst, change, DONE, type Outcome } from './actions'
import { count, several, timeZone } from './format'
import { chips, finder, options, statusFilter, timeBounds, timeFilter } from './inbox-filters'
import { eventsStyles } from './inbox-events-styles'
import { eventTable, type Row, selectAll } from './inbox-table'
import {
  changedView,
  cursorsOf,
  isFiltered,
  isPreset,
  listedBy,
  PAGE_SIZES,
  requestOf,
  statusesOf,
  type ViewChanges,
} from './inbox-view'
import { Loader } from './loader'
import { Rows } from './rows'
import { styles } from './styles'
import { tableStyles } from './table-styles'
import { type Desk, View } from './view'

/** A page of rows, when it was asked for, and how many events waited for D1 then. */
interface Listed extends PreviewPage {
  askedAt: number
  waiting: number
}

/**
 * Shows the inbox as a table, with filters and pages, and what can be done to each event.
 */
export class InboxEvents extends View {
  static override properties = {
    desk: { attribute: false },
    metrics: { attribute: false },
    query: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
    changes: { attribute: false },
  }

  static override styles = [styles, tableStyles, eventsStyles]

  declare desk: Desk
  declare metrics: Metrics | undefined
  /** The view as a query string; see `inbox-view.ts`. */
  declare query: string
  /** Changes when there may be news. */
  declare news: string
  declare tick: number
  /** How often the reader changed something. */
  declare changes: number
  #rows = new Rows(this)
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
    {
      mustWait: (shown, waiting) => this.#rows.mustWait(this.#seenOf(shown), this.#seenOf(waiting)),
      keepsOld: true,
    },
  )

  constructor() {
    super()
    this.query = ''
    this.news = ''
    this.tick = 0
    this.changes = 0
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    const before: unknown = changed.get('query')
    const isOther = typeof before === 'string' && listedBy(before) !== listedBy(this.query)
    if (isOther) this.#rows.select([])
    const { outcomes } = this.desk.work
    const deleted = [...this.#rows.selected].filter((id) => outcomes.get(id)?.status === 'deleted')
    if (deleted.length > 0) this.#rows.unselect(deleted)
    // Later pages stay as they are unless the reader changes something: their rows would move from page to page.
    const isFirst = cursorsOf(this.query).length === 0
    // What counts from now is asked for each minute.
    const minute = isPreset(this.query) ? Math.floor(Date.now() / 60_000) : 0
    const news = isFirst ? `${this.news} ${minute}` : `later ${this.changes}`
    this.#events.want(listedBy(this.query), news, this.tick)
  }

  override render() {
    const events = this.#events
    const { query, metrics } = this
    const apply = (changes: ViewChanges, how?: { replace: boolean }) =>
      this.#go({ ...changes, cursors: null }, how)
    return html`
      <section class="panel" aria-labelledby="title" aria-busy=${String(events.isAwaited)}>
        <div class="heading">
          <h2 id="title">Inbox</h2>
          ${statusFilter(query, metrics, apply)}
          <span class="quiet zone">Times in ${timeZone()}</span>
        </div>
        <div class="filters">${finder(apply)} ${timeFilter(query, apply)}</div>
        ${timeBounds(query, apply)} ${chips(query, apply)}
        ${this.#renderBar(events.isOld ? undefined : events.value)}
        ${events.render((page) => this.#renderPage(page, events.isOld))}
      </section>
    `
  }

  #outcomes(page: Listed | undefined): Row[] {
    return (page?.data ?? []).map((row) => {
      const { at, ...outcome } = this.desk.work.outcomes.get(row.event_id) ?? { at: 0 }
      // A list that was asked for later knows better.
      return page && at > page.askedAt ? { ...row, ...outcome } : row
    })
  }

  /** What a reader sees of the rows that could change. */
  #seenOf(page: Listed): unknown {
    return this.#outcomes(page).map((row) => [row.event_id, row.status, row.retry_count])
  }

  #renderBar(page: Listed | undefined) {
    const { selected } = this.#rows
    const { busy } = this.desk.work
    const rows = this.#outcomes(page).filter(({ event_id }) => selected.has(event_id))
    const idsOf = (status: string) =>
      rows
        .filter((row) => row.status === status && !busy.has(row.event_id))
        .map(({ event_id }) => event_id)
    const [pending, failed] = [idsOf('pending'), idsOf('failed')]
    const isAny = selected.size > 0
    return html`
      <div class="row bar">
        <div class="told quiet">
          <span role="status">${isAny ? `${count(selected.size)} selected` : nothing}</span>
          <span class="summary">${isAny ? nothing : this.#summary(page)}</span>
          ${this.#renderNews(page)}
        </div>
        ${
          this.desk.can('manage') && this.#events.value?.data.length
            ? html`<label class="narrow inline"
                >${selectAll(this.#outcomes(page), this.#rows)} <span>Select all</span></label
              >`
            : nothing
        }
        ${
          isAny
            ? html`${bulk('Ack', 'Acknowledge', pending, 'pending', () => this.#ackMany(pending))}
                ${bulk('Retry', 'Retry', failed, 'failed', () => this.#retryMany(failed), '')}
                <button
                  class="plain"
                  aria-label="Select none"
                  @click=${() => this.#rows.select([])}
                >
                  ✕
                </button>`
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
      ...(isPreset(this.query) && !view.has('at') && { at: String(page.askedAt) }),
    }
    const newer = {
      cursors: cursors.slice(0, -1).join(' '),
      ...(cursors.length === 1 && { at: null }),
    }
    // The mouse goes on at the top of the page; the keyboard at the button.
    const turn = (changes: ViewChanges) => (event: MouseEvent) => {
      const { currentTarget: target } = event
      const isOff = target instanceof Element && target.ariaDisabled === 'true'
      if (isOld || isOff) return
      if (event.detail > 0) this.scrollIntoView()
      this.#go(changes)
    }
    const size = view.get('limit') ?? '50'
    const sizes = [...new Set([...PAGE_SIZES.map(String), size])]
    const chooseSize = ({ target }: Event) => {
      if (target instanceof HTMLSelectElement) this.#go({ limit: target.value, cursors: null })
    }
    return html`
      <div class=${isOld ? 'rows old' : 'rows'} ?inert=${isOld}>
        ${
          data.length === 0
            ? html`<p class="empty">${this.#nothingFound(next_cursor)}</p>`
            : eventTable(this.#outcomes(page), {
                desk: this.desk,
                query: this.query,
                rows: this.#rows,
                act: (action, id) => void this.#act(action, id),
              })
        }
      </div>
      <nav class="pages" aria-label="Pages">
        <label class="inline"
          >Page size
          <select .value=${live(size)} @change=${chooseSize}>
            ${options(
              sizes.map((each) => [each, count(Number(each))] as const),
              size,
            )}
          </select>
        </label>
        <button aria-disabled=${String(cursors.length === 0)} @click=${turn(newer)}>Newer</button>
        <button aria-disabled=${String(!next_cursor)} @click=${turn(older)}>Older</button>
      </nav>
    `
  }

  #nothingFound(next_cursor: string | null): string {
    if (next_cursor) return 'None so far; there is more to look through on the next page.'
    return isFiltered(this.query)
      ? 'No event matches these filters.'
      : 'No events yet. Send one, and it shows up here.'
  }

  #show = (): void => {
    const listed = new Set(this.#events.waiting?.data.map(({ event_id }) => event_id))
    this.#rows.select([...this.#rows.selected].filter((id) => listed.has(id)))
    this.#events.show()
  }

  async #act(action: Action, id: string): Promise<void> {
    const { desk } = this
    if (desk.work.busy.has(id)) return
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

  async #do(action: Action, ids: string[], work: () => Promise<Done>): Promise<void> {
    const to = ids.length === 1 ? String(ids[0]) : several(ids.length, 'event')
    await this.desk.work.do({ action, to, ids }, async () => {
      const { moved, refused, count: number = moved.size } = await work()
      this.#rows.unselect(ids)
      const more = refused.length > 3 ? [`And ${count(refused.length - 3)} more.`] : []
      return {
        said: number > 0 ? `${ids.length === 1 ? to : count(number)} ${DONE[action]}.` : '',
        trouble: [...refused.slice(0, 3), ...more].join(' '),
        ...(moved.size > 0 && { outcomes: moved }),
      }
    })
  }

  #go(changes: ViewChanges, how?: { replace: boolean }): void {
    const query = changedView(this.query, changes)
    this.desk.go(query ? `inbox?${query}` : 'inbox', how)
  }
}

/** A button that does something to those of the selected events that have a status. */
function bulk(
  short: string,
  verb: string,
  ids: string[],
  status: string,
  act: () => unknown,
  kind = 'main',
) {
  const number = ids.length > 0 ? count(ids.length) : ''
  const words = (...all: string[]) => all.filter(Boolean).join(' ')
  return html`<button
    class="bulk ${kind}"
    aria-label=${words(verb, number, status)}
    ?disabled=${ids.length === 0}
    @click=${act}
  >
    <span class="narrow">${words(short, number)}</span
    ><span class="broad">${words(verb, number, status)}</span>
  </button>`
}

/** What was moved to which status, and why the rest was not. */
interface Done {
  moved: ReadonlyMap<string, Outcome>
  refused: string[]
  count?: number
}

customElements.define('inbox-events', InboxEvents)
