import { css, html, nothing } from 'lit'
import type { DeadLetter, DeadLetterPage, DeadLetterReasons } from '../client/types.ts'
import { count, explainChange, several } from './format'
import { changedView, listedBy } from './inbox-view'
import { keyOf, keyOfReason, letterTable, type LetterTable, reasonTable } from './inbox-letters'
import { visible } from './json-source'
import { Loader } from './loader'
import { Rows } from './rows'
import { styles } from './styles'
import { tableStyles } from './table-styles'
import { type Desk, View } from './view'

const PAGE = 50

/** What a redrive came to: how many, and which were refused and why. */
interface Redriven {
  redriven: number
  skipped: number
  refused?: DeadLetter[]
  why?: unknown
}

/** A page of letters, and the reasons of all; and when they were asked for. */
interface Listed extends DeadLetterPage {
  reasons: DeadLetterReasons
  askedAt: number
}

/**
 * Lists the dead letters, by their reasons and one by one, and redrives them. The payload of each is a click away.
 */
export class InboxDeadLetters extends View {
  static override properties = {
    desk: { attribute: false },
    query: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
    gone: { state: true },
  }

  static override styles = [
    styles,
    tableStyles,
    css`
      .views {
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
  /** When letters, or all with a reason, were redriven, by their keys. */
  declare gone: ReadonlyMap<string, number>

  #rows = new Rows(this)
  #letters = new Loader<Listed>(
    this,
    async (key, signal) => {
      const view = new URLSearchParams(key)
      const reason = view.get('reason')
      const offset = Number(view.get('offset')) || 0
      const which = { limit: PAGE, offset, ...(reason !== null && { reason }) }
      const { inbox } = this.desk
      const askedAt = Date.now()
      const [page, reasons] = await Promise.all([
        inbox.deadLetters({ ...which, signal }),
        inbox.deadLetterReasons({ signal }),
      ])
      return { ...page, reasons, askedAt }
    },
    {
      mustWait: (shown, waiting) => this.#rows.mustWait(seenOf(shown), seenOf(waiting)),
      keepsOld: true,
    },
  )

  constructor() {
    super()
    this.query = ''
    this.news = ''
    this.tick = 0
    this.gone = new Map()
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    const before: unknown = changed.get('query')
    const key = listedBy(this.query)
    if (typeof before === 'string' && listedBy(before) !== key) this.#rows.select([])
    this.#letters.want(key, this.news, this.tick)
  }

  override render() {
    const letters = this.#letters
    return html`<div
      class="views"
      aria-busy=${String(letters.isAwaited || this.desk.work.busy.has('redrive'))}
    >
      ${letters.render((page) => this.#renderPage(page, letters.isOld))}
    </div>`
  }

  #renderPage(page: Listed, isOld: boolean) {
    const { data, complete } = page.reasons
    return html`
      ${
        data.length === 0
          ? nothing
          : html`<section class="panel" aria-labelledby="reasons">
              <h2 id="reasons">By reason</h2>
              ${complete ? nothing : html`<p class="quiet">Of the newest letters only; there are more.</p>`}
              <div class="rows">${reasonTable(page.reasons, this.#table())}</div>
            </section>`
      }
      <section class="panel" aria-labelledby="title">
        <h2 id="title" class="home">Dead letters</h2>
        ${this.#renderLetters(page, isOld)}
      </section>
    `
  }

  #renderLetters({ data, total, offset }: Listed, isOld: boolean) {
    const of = total === null ? '' : ` of ${count(total)}`
    const empty = offset > 0 ? 'No dead letters on this page.' : 'No dead letters.'
    const { busy } = this.desk.work
    const isBusy = busy.has('redrive') || isOld
    const chosen = data.filter((letter) => this.#rows.selected.has(keyOf(letter)))
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
        <div class="told quiet">
          <span role="status"
            >${chosen.length > 0 ? `${count(chosen.length)} selected` : nothing}</span
          >
          <span class="summary">
            ${isOld || chosen.length > 0 ? nothing : `${count(data.length)} shown${of}`}
          </span>
          ${this.#letters.waiting ? html`<button @click=${this.#show}>Changes: show</button>` : nothing}
        </div>
        ${
          this.#canManage
            ? html`<button
                  class="main"
                  ?disabled=${isBusy || chosen.length === 0 || chosen.some((each) => busy.has(each.event_id))}
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
      <div class=${isOld ? 'rows old' : 'rows'} ?inert=${isOld}>
        ${data.length === 0 ? html`<p class="empty">${empty}</p>` : letterTable(data, this.#table())}
      </div>
      <nav class="pages" aria-label="Pages">
        <button
          ?disabled=${offset === 0}
          @click=${() => isOld || this.#go({ offset: String(Math.max(0, offset - PAGE)) })}
        >
          Newer
        </button>
        <button
          ?disabled=${total === null ? data.length < PAGE : offset + PAGE >= total}
          @click=${() => isOld || this.#go({ offset: String(offset + PAGE) })}
        >
          Older
        </button>
      </nav>
    `
  }

  /** What the tables show of each row, and what their controls call. */
  #table(): LetterTable {
    const { desk, query, gone } = this
    // A list that was asked for later knows better.
    const askedAt = this.#letters.value?.askedAt ?? 0
    return {
      desk,
      query,
      rows: this.#rows,
      isGone: (key) => (gone.get(key) ?? 0) > askedAt,
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

  async #redriveReason(reason: string, letters: string): Promise<void> {
    const reply = await this.desk.ask({
      title: `Redrive ${letters}?`,
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
      const refused = settled.flatMap((each, index) =>
        each.status === 'rejected'
          ? [
              {
                letters: index < alone.length ? alone.slice(index, index + 1) : together,
                why: each.reason,
              },
            ]
          : [],
      )
      if (done.length === 0) throw refused[0]?.why
      return {
        redriven: done.reduce((sum, each) => sum + each.redriven, 0),
        skipped: done.reduce((sum, each) => sum + each.skipped, 0),
        refused: refused.flatMap((each) => each.letters),
        why: refused[0]?.why,
      }
    })
  }

  /** Does it. @param meant the letters on this page, or all with a reason, or all */
  async #do(
    meant: DeadLetter[] | { reason: string } | { all: true },
    work: () => Promise<Redriven>,
  ): Promise<void> {
    const { data = [], reasons = undefined } = this.#letters.value ?? {}
    const isMeant = (reason: string) => !('reason' in meant) || meant.reason === reason
    const letters = Array.isArray(meant) ? meant : data.filter(({ reason }) => isMeant(reason))
    const ids = Array.isArray(meant) ? meant.map(({ event_id }) => event_id) : null
    const to = ids?.length === 1 ? String(ids[0]) : ids ? several(ids.length, 'dead letter') : ''
    await this.desk.work.do({ action: 'redrive', to, ids }, async () => {
      const { redriven, skipped, refused = [], why } = await work()
      const done = letters.filter((letter) => !refused.includes(letter)).map(keyOf)
      // It is not told which were skipped.
      if (skipped === 0) {
        const groups = Array.isArray(meant) ? [] : (reasons?.data ?? [])
        const whole = groups.map(({ reason }) => reason).filter(isMeant)
        const at = Date.now()
        this.gone = new Map([
          ...this.gone,
          ...[...done, ...whole.map(keyOfReason)].map((key) => [key, at] as const),
        ])
      }
      this.#rows.unselect(done)
      const rest = skipped > 0 ? `, ${count(skipped)} no longer failed` : ''
      const failed = `${count(refused.length)} of ${count(letters.length)}`
      return {
        said: `${count(redriven)} redriven${rest}.`,
        trouble: refused.length > 0 ? `${failed} failed. ${explainChange(why)}` : '',
      }
    })
  }

  #show = (): void => {
    this.#rows.select([])
    this.#letters.show()
  }

  #go(changes: Record<string, string | null>): void {
    const query = changedView(this.query, changes)
    this.desk.go(query ? `dead-letters?${query}` : 'dead-letters')
  }
}

/** What a reader sees that could change. */
const seenOf = ({ data, reasons }: Listed): unknown => [data, reasons.data]

customElements.define('inbox-dead-letters', InboxDeadLetters)
