import { css, html, nothing } from 'lit'
import type { DeadLetter, DeadLetterPage } from '../client/types.ts'
import { alert, count, explain, explainChange, loading, several } from './format'
import { changedView } from './inbox-view'
import { keyOf, letterTable, type LetterTable, reasonTable } from './inbox-letters'
import { visible } from './json-source'
import { Loader } from './loader'
import { styles } from './styles'
import { type Desk, isNearRows, View } from './view'

const PAGE = 50

/**
 * Lists the dead letters, by their reasons and one by one, and redrives them. The payload of each is a click away.
 *
 * @fires inbox-change - after letters were redriven; `detail` is `{ action, ids }`
 */
export class InboxDeadLetters extends View {
  static override properties = {
    desk: { attribute: false },
    query: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
    selected: { state: true },
    busy: { state: true },
    gone: { state: true },
    goneReasons: { state: true },
    said: { state: true },
    trouble: { state: true },
  }

  static override styles = [
    styles,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 1rem;
      }
      /* Words such as "3 minutes ago" change; the buttons must not move with them. */
      table {
        table-layout: fixed;
      }
      th.select {
        width: 2rem;
      }
      th.number {
        width: 5rem;
      }
      th.subscription {
        width: 9rem;
      }
      th.when {
        width: 8.5rem;
      }
      th.actions {
        width: 8rem;
      }
      td {
        overflow-wrap: anywhere;
      }
      /* The whole reason is in the event. */
      .reason {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 3;
      }
      td button {
        white-space: nowrap;
      }
    `,
  ]

  declare desk: Desk
  /** The view as a query string: `reason` and `offset`. */
  declare query: string
  /** Changes when there may be news. */
  declare news: string
  declare tick: number
  /** The keys of letters. */
  declare selected: ReadonlySet<string>
  declare busy: boolean
  /** The keys of letters that were redriven since they came. */
  declare gone: ReadonlySet<string>
  /** The reasons whose letters were. */
  declare goneReasons: ReadonlySet<string>
  declare said: string
  declare trouble: string

  #letters = new Loader<DeadLetterPage>(
    this,
    (key, signal) => {
      const view = new URLSearchParams(key)
      const reason = view.get('reason')
      const offset = Number(view.get('offset')) || 0
      const which = { limit: PAGE, offset, ...(reason !== null && { reason }) }
      return this.desk.inbox.deadLetters({ ...which, signal })
    },
    (shown, waiting) => this.#isHeld(shown.data, waiting.data),
  )
  #reasons = new Loader(
    this,
    (_, signal) => this.desk.inbox.deadLetterReasons({ signal }),
    (shown, waiting) => this.#isHeld(shown.data, waiting.data),
  )

  constructor() {
    super()
    this.query = ''
    this.news = ''
    this.tick = 0
    this.selected = new Set()
    this.busy = false
    this.gone = new Set()
    this.goneReasons = new Set()
    this.said = ''
    this.trouble = ''
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    const before: unknown = changed.get('query')
    const key = changedView(this.query, { event: null })
    if (typeof before === 'string' && changedView(before, { event: null }) !== key)
      this.selected = new Set()
    if (typeof before === 'string') this.#height = 0
    this.#letters.want(key, this.news, this.tick)
    this.#reasons.want('', this.news, this.tick)
  }

  override render() {
    const { value, valueKey, error, isSlow } = this.#letters
    const isOld = valueKey !== changedView(this.query, { event: null })
    const isGrouped = this.#reasons.value !== undefined || this.#reasons.error !== undefined
    // The groups stand above the letters, and would push them down.
    if (!isGrouped) return loading(this.#reasons.isSlow)
    return html`
      ${this.#renderReasons()}
      <section class="panel" aria-labelledby="title" aria-busy=${isSlow ? 'true' : 'false'}>
        <h2 id="title">Dead letters</h2>
        ${error === undefined ? nothing : alert(explain(error), this.#letters.again)}
        ${value ? this.#renderPage(value, isOld) : error ? nothing : loading(isSlow)}
        <div class="last">${alert(this.trouble)}</div>
      </section>
    `
  }

  protected override updated(): void {
    // The letters stay where they are when groups above them go.
    const reasons = this.renderRoot.querySelector<HTMLElement>('.reasons')
    if (reasons && this.#height === 0) reasons.style.minHeight = ''
    this.#height = Math.max(this.#height, reasons?.offsetHeight ?? 0)
    if (reasons) reasons.style.minHeight = `${this.#height}px`
    // What was redriven is not among the rows any more once they came anew.
    if (this.#shownLetters !== this.#letters.value) this.gone = new Set()
    if (this.#shownReasons !== this.#reasons.value) this.goneReasons = new Set()
    this.#shownLetters = this.#letters.value
    this.#shownReasons = this.#reasons.value
  }

  #shownLetters: unknown
  #shownReasons: unknown

  /** The greatest height that the groups had in this view. */
  #height = 0

  #renderReasons() {
    const { data: groups = [], complete: isComplete = true } = this.#reasons.value ?? {}
    const error = this.#reasons.error
    if (error !== undefined) return alert(explain(error), this.#reasons.again)
    if (groups.length === 0 && this.#height === 0) return nothing
    return html`
      <section
        class="panel rows reasons"
        aria-labelledby="reasons"
        @focusout=${this.#letGo}
        @pointerleave=${this.#letGo}
      >
        <h2 id="reasons">By reason</h2>
        ${isComplete ? nothing : html`<p class="quiet">Of the newest letters only; there are more.</p>`}
        ${reasonTable(groups, this.#table())}
      </section>
    `
  }

  #renderPage({ data, total, offset }: DeadLetterPage, isOld: boolean) {
    const isBusy = this.busy || isOld
    const of = total === null ? '' : ` of ${count(total)}`
    const chosen = data.filter((letter) => this.selected.has(keyOf(letter)))
    const reason = new URLSearchParams(this.query).get('reason')
    return html`
      ${
        reason === null
          ? nothing
          : html`<ul class="chips" aria-label="Filters">
              <li>
                <span class="quiet">Reason</span> ${visible(reason)}
                <button
                  class="plain"
                  aria-label="Remove the filter of the reason"
                  @click=${() => this.#go({ reason: null, offset: null })}
                >
                  ✕
                </button>
              </li>
            </ul>`
      }
      <div class="row bar" @focusout=${this.#letGo} @pointerleave=${this.#letGo}>
        <span class="told quiet">
          <span role="status"
            >${[this.said, chosen.length > 0 && `${count(chosen.length)} selected.`].filter(Boolean).join(' ')}</span
          >
          ${isOld ? '' : `${count(data.length)} shown${of}`}
        </span>
        ${this.#letters.waiting ? html`<button @click=${this.#show}>Changes: show</button>` : nothing}
        ${
          this.#canManage
            ? html`<button
                  class="main"
                  ?disabled=${chosen.length === 0 || isBusy}
                  @click=${() => this.#redrive(chosen)}
                >
                  Redrive ${chosen.length > 0 ? `${count(chosen.length)} ` : ''}selected
                </button>
                ${
                  reason === null
                    ? html`<button
                        ?disabled=${total === 0 || isBusy}
                        @click=${() => this.#redriveAll(total ?? data.length)}
                      >
                        Redrive all ${count(total ?? data.length)} …
                      </button>`
                    : nothing
                }`
            : nothing
        }
      </div>
      <div
        class=${isOld ? 'rows old' : 'rows'}
        ?inert=${isOld}
        @focusout=${this.#letGo}
        @pointerleave=${this.#letGo}
      >
        ${data.length === 0 ? html`<p class="empty">${offset > 0 ? 'No dead letters on this page.' : 'No dead letters.'}</p>` : letterTable(data, this.#table())}
      </div>
      <nav class="pages" aria-label="Pages">
        <button
          ?disabled=${isOld || offset === 0}
          @click=${() => this.#go({ offset: String(Math.max(0, offset - PAGE)) })}
        >
          Newer
        </button>
        <button
          ?disabled=${isOld || (total === null ? data.length < PAGE : offset + PAGE >= total)}
          @click=${() => this.#go({ offset: String(offset + PAGE) })}
        >
          Older
        </button>
      </nav>
    `
  }

  /** What the tables show of each row, and what their controls call. */
  #table(): LetterTable {
    const { desk, query, selected, gone, goneReasons, busy: isBusy } = this
    return {
      desk,
      query,
      selected,
      gone,
      goneReasons,
      isBusy,
      toggle: (key) => this.#toggle(key),
      redrive: (letter) => void this.#redrive([letter]),
      redriveReason: (reason, letters) => void this.#redriveReason(reason, letters),
    }
  }

  get #canManage(): boolean {
    return this.desk.can('manage')
  }

  async #redriveAll(all: number): Promise<void> {
    const reply = await this.desk.ask({
      title: `Redrive all ${several(all, 'dead letter')}?`,
      text: 'Each event becomes pending again, also those that fail until you confirm.',
      verb: 'Redrive all',
    })
    if (reply) await this.#do({ all: true }, () => this.desk.inbox.redrive({ all: true }))
  }

  async #redriveReason(reason: string, letters: number): Promise<void> {
    const reply = await this.desk.ask({
      title: `Redrive ${several(letters, 'dead letter')}?`,
      text: `Each event that failed with this reason becomes pending again: ${visible(reason)}`,
      verb: 'Redrive them',
    })
    if (reply) await this.#do({ reason }, () => this.desk.inbox.redrive({ reason }))
  }

  /**
   * Redrives exactly these, in as few requests as that takes: an event whose letters are all here and chosen at once
   * with others, any other letter in its own subscription.
   */
  async #redrive(letters: DeadLetter[]): Promise<void> {
    const { inbox } = this.desk
    const { data = [], total = null } = this.#letters.value ?? {}
    const chosen = new Set(letters.map(keyOf))
    const isAll = total === data.length && !new URLSearchParams(this.query).has('reason')
    const isWhole = ({ event_id }: DeadLetter) =>
      data.every((other) => other.event_id !== event_id || chosen.has(keyOf(other)))
    // What the database refused is of no subscription.
    const together = letters.filter((letter) => !letter.subscription || (isAll && isWhole(letter)))
    const alone = letters.filter((letter) => !together.includes(letter))
    const ids = [...new Set(together.map(({ event_id }) => event_id))]
    await this.#do(letters, async () => {
      const settled = await Promise.allSettled([
        ...alone.map(async ({ event_id, subscription }) => {
          await inbox.retry(event_id, { subscription })
          return { redriven: 1, skipped: 0 }
        }),
        ...(ids.length > 0 ? [inbox.redrive({ event_ids: ids })] : []),
      ])
      const done = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
      const refused = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
      if (done.length === 0) throw refused[0]
      return {
        redriven: done.reduce((sum, each) => sum + each.redriven, 0),
        skipped: done.reduce((sum, each) => sum + each.skipped, 0),
        refused,
      }
    })
  }

  /** Does it, and says what became of it. @param meant the letters on this page, or all with a reason, or all */
  async #do(
    meant: DeadLetter[] | { reason: string } | { all: true },
    work: () => Promise<{ redriven: number; skipped: number; refused?: unknown[] }>,
  ): Promise<void> {
    const page = this.#letters.value?.data ?? []
    const reasons = (this.#reasons.value?.data ?? []).map(({ reason }) => reason)
    const isMeant = (reason: string) => !('reason' in meant) || meant.reason === reason
    const letters = Array.isArray(meant) ? meant : page.filter(({ reason }) => isMeant(reason))
    this.busy = true
    this.trouble = this.said = ''
    try {
      const { redriven, skipped, refused = [] } = await work()
      const rest = skipped > 0 ? `, ${count(skipped)} no longer failed` : ''
      this.said = `${count(redriven)} redriven${rest}.`
      this.trouble = refused.length > 0 ? explainChange(refused[0]) : ''
      // It is not told which were skipped.
      if (skipped + refused.length === 0) {
        this.gone = new Set([...this.gone, ...letters.map(keyOf)])
        if (!Array.isArray(meant)) this.goneReasons = new Set(reasons.filter(isMeant))
      }
      const keys = new Set(letters.map(keyOf))
      this.selected = new Set([...this.selected].filter((key) => !keys.has(key)))
      this.tellChange(
        'redrive',
        Array.isArray(meant) ? meant.map(({ event_id }) => event_id) : null,
      )
    } catch (error) {
      this.trouble = explainChange(error)
    }
    this.busy = false
  }

  /** A newer list must wait while it would move, or change, what the reader is about to press. */
  #isHeld(shown: unknown, waiting: unknown): boolean {
    if (JSON.stringify(shown) === JSON.stringify(waiting)) return false
    return this.selected.size > 0 || isNearRows(this.renderRoot)
  }

  #letGo = (): void => void setTimeout(() => this.requestUpdate())

  #show = (): void => {
    this.selected = new Set()
    this.#letters.show()
    this.#reasons.show()
  }

  #toggle(key: string): void {
    const selected = new Set(this.selected)
    if (!selected.delete(key)) selected.add(key)
    this.selected = selected
    this.said = ''
  }

  #go(changes: Record<string, string | null>): void {
    const query = changedView(this.query, changes)
    this.said = ''
    this.desk.go(query ? `dead-letters?${query}` : 'dead-letters')
  }
}

customElements.define('inbox-dead-letters', InboxDeadLetters)
