import { css, html, nothing } from 'lit'
import type { DeadLetter, DeadLetterPage } from '../client/types.ts'
import { alert, count, explain, loading, several } from './format'
import { changedView } from './inbox-view'
import { keyOf, letterTable, type LetterTable, reasonTable } from './inbox-letters'
import { visible } from './json-source'
import { Loader } from './loader'
import { styles } from './styles'
import { type Desk, View } from './view'

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
  /** The keys of letters, and the reasons, that were redriven since they came. */
  declare gone: ReadonlySet<string>
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
    const { value, error, isSlow } = this.#letters
    const isGrouped = this.#reasons.value !== undefined || this.#reasons.error !== undefined
    // The groups stand above the letters, and would push them down.
    if (!isGrouped) return loading(this.#reasons.isSlow)
    return html`
      ${this.#renderReasons()}
      <section class="panel" aria-labelledby="title" aria-busy=${isSlow ? 'true' : 'false'}>
        <h2 id="title">Dead letters</h2>
        ${error === undefined ? nothing : alert(explain(error), this.#letters.again)}
        ${alert(this.trouble)}
        ${value ? this.#renderPage(value) : error ? nothing : loading(isSlow)}
      </section>
    `
  }

  protected override updated(): void {
    // The letters stay where they are when groups above them go.
    const reasons = this.renderRoot.querySelector<HTMLElement>('.reasons')
    this.#height = Math.max(this.#height, reasons?.offsetHeight ?? 0)
    if (reasons) reasons.style.minHeight = `${this.#height}px`
    // What was redriven is not among the letters any more once they came anew.
    if (this.#shown === this.#letters.value) return
    this.#shown = this.#letters.value
    this.gone = new Set()
  }

  #shown: DeadLetterPage | undefined

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

  #renderPage({ data, total, offset }: DeadLetterPage) {
    const all = total ?? data.length
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
      <div class="row bar">
        <span role="status" class="quiet"
          >${this.said || (chosen.length > 0 ? `${count(chosen.length)} selected` : `${count(data.length)} shown of ${count(all)}`)}</span
        >
        ${this.#letters.waiting ? html`<button @click=${this.#show}>Changes: show</button>` : nothing}
        ${
          this.#canManage
            ? html`<button
                  class="main"
                  ?disabled=${chosen.length === 0 || this.busy}
                  @click=${() => this.#redrive(chosen, data)}
                >
                  Redrive ${chosen.length > 0 ? `${count(chosen.length)} ` : ''}selected
                </button>
                ${
                  reason === null
                    ? html`<button
                        ?disabled=${all === 0 || this.busy}
                        @click=${() => this.#redriveAll(all)}
                      >
                        Redrive all ${count(all)} …
                      </button>`
                    : nothing
                }`
            : nothing
        }
      </div>
      <div class="rows" @focusout=${this.#letGo} @pointerleave=${this.#letGo}>
        ${data.length === 0 ? html`<p class="empty">No dead letters.</p>` : letterTable(data, this.#table())}
      </div>
      <nav class="pages" aria-label="Pages">
        <button
          ?disabled=${offset === 0}
          @click=${() => this.#go({ offset: String(Math.max(0, offset - PAGE)) })}
        >
          Newer
        </button>
        <button
          ?disabled=${total === null ? data.length < PAGE : offset + PAGE >= all}
          @click=${() => this.#go({ offset: String(offset + PAGE) })}
        >
          Older
        </button>
      </nav>
    `
  }

  /** What the tables show of each row, and what their controls call. */
  #table(): LetterTable {
    const { desk, query, selected, gone, busy: isBusy } = this
    const page = this.#letters.value?.data ?? []
    return {
      desk,
      query,
      selected,
      gone,
      isBusy,
      toggle: (key) => this.#toggle(key),
      redrive: (letter) => void this.#redrive([letter], page),
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
    const isAny = () => true
    if (reply) await this.#do(null, isAny, () => this.desk.inbox.redrive({ all: true }))
  }

  async #redriveReason(reason: string, letters: number): Promise<void> {
    const reply = await this.desk.ask({
      title: `Redrive ${several(letters, 'dead letter')}?`,
      text: `Each event that failed with this reason becomes pending again: ${visible(reason)}`,
      verb: 'Redrive them',
    })
    const isOfIt = (its: string) => its === reason
    if (reply) await this.#do(null, isOfIt, () => this.desk.inbox.redrive({ reason }))
  }

  /** Redrives exactly these: an event of which another letter is shown too, and not chosen, in its subscription only. */
  async #redrive(letters: DeadLetter[], page: DeadLetter[]): Promise<void> {
    const { inbox } = this.desk
    const chosen = new Set(letters.map(keyOf))
    const isWhole = ({ event_id }: DeadLetter) =>
      page.every((other) => other.event_id !== event_id || chosen.has(keyOf(other)))
    const whole = [...new Set(letters.filter(isWhole).map(({ event_id }) => event_id))]
    const parts = letters.filter((letter) => !isWhole(letter) && letter.subscription)
    await this.#do(
      letters.map(({ event_id }) => event_id),
      (_, key) => chosen.has(key),
      async () => {
        const retried = parts.map(({ event_id, subscription }) =>
          inbox.retry(event_id, { subscription }),
        )
        await Promise.all(retried)
        if (whole.length === 0) return { redriven: parts.length, skipped: 0 }
        const { redriven, skipped } = await inbox.redrive({ event_ids: whole })
        return { redriven: redriven + parts.length, skipped }
      },
    )
  }

  async #do(
    ids: string[] | null,
    isMeant: (reason: string, key: string) => boolean,
    work: () => Promise<{ redriven: number; skipped: number }>,
  ): Promise<void> {
    const page = this.#letters.value?.data ?? []
    const meant = page.filter((letter) => isMeant(letter.reason, keyOf(letter)))
    const groups = ids ? [] : (this.#reasons.value?.data ?? [])
    const whole = groups.filter(({ reason }) => isMeant(reason, ''))
    this.busy = true
    this.trouble = this.said = ''
    try {
      const { redriven, skipped } = await work()
      const rest = skipped > 0 ? `, ${count(skipped)} no longer failed` : ''
      this.said = `${count(redriven)} redriven${rest}.`
      this.gone = new Set([...this.gone, ...meant.map(keyOf), ...whole.map(({ reason }) => reason)])
    } catch (error) {
      this.trouble = explain(error)
    }
    this.busy = false
    this.selected = new Set()
    this.tellChange('redrive', ids)
  }

  /** A newer list must wait while it would move, or change, what the reader is about to press. */
  #isHeld(shown: unknown, waiting: unknown): boolean {
    if (JSON.stringify(shown) === JSON.stringify(waiting)) return false
    const rows = [...this.renderRoot.querySelectorAll('.rows')]
    return this.selected.size > 0 || rows.some((each) => each.matches(':hover, :focus-within'))
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
