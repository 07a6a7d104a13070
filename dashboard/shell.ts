import { html, nothing } from 'lit'
import { keyed } from 'lit/directives/keyed.js'
import type { Metrics } from '../client/types.ts'
import { alert, count, exactClock, explain, loading } from './format'
import { icon } from './icons'
import type { AskDialog } from './inbox-ask'
import './inbox-ask'
import './inbox-consumers'
import './inbox-dead-letters'
import './inbox-detail'
import './inbox-events'
import './inbox-overview'
import { type Draft, FIRST_DRAFT } from './inbox-send'
import './inbox-sources'
import { listedBy, titleOf } from './inbox-view'
import { Poll } from './poll'
import { Route, viewOf } from './route'
import { Session } from './session'
import { shellStyles } from './shell-styles'
import { styles } from './styles'
import { tokenForm } from './token-form'
import { type Desk, isFocusLost, link, View } from './view'

const VIEWS = [
  ['overview', 'Overview'],
  ['inbox', 'Inbox'],
  ['dead-letters', 'Dead letters'],
  ['consumers', 'Consumers'],
  ['sources', 'Sources'],
  ['send', 'Send'],
] as const
type Name = (typeof VIEWS)[number][0]
/** What the number beside a view counts. */
const COUNTED: Partial<Record<Name, string>> = {
  inbox: 'pending',
  'dead-letters': 'to be redriven',
}

/**
 * Shows the whole dashboard of an event inbox, on any page.
 * It has the counts, the inbox, the dead letters, the consumers, the sources, and a form for test events.
 *
 * @fires inbox-change - after something was changed through it; `detail` is `{ action, ids }`
 * @fires inbox-metrics - after new counts came in; `detail` is what `GET /metrics` answered
 * @fires inbox-error - when the counts could not be had; `detail` is the reason in words
 * @csspart nav - the links to the views
 * @csspart card - one count with its label
 * @csspart badge - a status
 * @cssproperty --event-inbox-accent - colour of links, buttons and focus rings
 * @cssproperty --event-inbox-surface - background of panels
 * @cssproperty --event-inbox-border - lines
 * @cssproperty --event-inbox-text - text
 * @cssproperty --event-inbox-quiet - less important text
 * @cssproperty --event-inbox-pending - pending events
 * @cssproperty --event-inbox-delivered - delivered events
 * @cssproperty --event-inbox-failed - failed events and problems
 * @cssproperty --event-inbox-font - font family
 */
export class EventInbox extends View {
  static override properties = {
    endpoint: { type: String },
    refreshSeconds: { type: Number, attribute: 'refresh-seconds' },
    route: { type: String },
    pageTitle: { type: String, attribute: 'page-title' },
    token: { attribute: false },
    metrics: { state: true },
  }

  static override styles = [styles, shellStyles]

  /** The URL where the inbox is served; empty means the page's own origin. */
  declare endpoint: string
  /** Seconds between two requests for the counts; with 0 it asks once. */
  declare refreshSeconds: number
  /** The name of its part of the address, where a page has several; `none` leaves the address alone. */
  declare route: string
  /** When given, the page's title says what is shown, followed by this. */
  declare pageTitle: string
  /** The bearer token. A token that the reader types is kept for this inbox and this browser session only. */
  declare token: string
  declare metrics: Metrics | undefined

  #asked = new AbortController()
  /** How often the reader changed something. */
  #changes = 0
  /** When the counts came. */
  #asOf = 0
  /** How often they came. */
  #tick = 0
  /** Changes when something in the inbox did, as far as the counts tell; empty until they came, or failed to. */
  #news = ''
  /** How often the service came back. */
  #returns = 0
  #error: unknown
  #draft: Draft = { ...FIRST_DRAFT }
  /** What was shown last, and its rows. */
  #shown = ['', '']

  #route = new Route(this, () => this.route)
  #session = new Session(this, {
    href: (to) => this.#route.href(to),
    go: (to, options) => this.#route.go(to, options),
    ask: async (question) => {
      const reply = await this.#dialog().ask(question)
      await this.#rescueFocus()
      return reply
    },
    changed: (action, ids) => {
      this.#changes++
      this.#tell('inbox-change', { action, ids })
      this.#poll.now()
    },
  })
  #poll = new Poll(
    this,
    () => this.#ask(),
    () => this.refreshSeconds,
  )

  constructor() {
    super()
    this.endpoint = ''
    this.refreshSeconds = 5
    this.route = ''
    this.pageTitle = ''
    this.token = ''
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#asked.abort()
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('route')) this.#route.read()
    if (changed.has('endpoint') || changed.has('token')) this.#connect()
    if (changed.has('refreshSeconds') && this.hasUpdated) this.#poll.now()
    this.#session.look(this.#tick)
    const { name, query } = this.#view
    const [route, rows] = this.#shown
    this.#shown = [this.#route.to, `${name}?${listedBy(query)}`]
    // What was asked, or said, is of what was shown then.
    if (this.#route.to !== route) this.renderRoot.querySelector<AskDialog>('inbox-ask')?.dismiss()
    if (this.#shown[1] !== rows && this.#session.desk) this.#session.desk.work.said = ''
  }

  /** What is shown, by the address and by what the token may do. */
  get #view(): { name: Name; query: string } {
    const [wanted, query] = viewOf(this.#route.to)
    if (this.#session.blindness) return { name: 'send', query: '' }
    return { name: VIEWS.find(([each]) => each === wanted)?.[0] ?? 'overview', query }
  }

  override render() {
    const { desk, refusal, blindness } = this.#session
    if (!desk || refusal) return this.#renderTokenForm(refusal)
    if (blindness && !desk.can('write')) return this.#renderBlind(blindness)
    const { name, query } = this.#view
    if (this.pageTitle) document.title = `${titleOf(labelOf(name), query)} · ${this.pageTitle}`
    const isKnown = this.#news !== ''
    const event = isKnown ? (new URLSearchParams(query).get('event') ?? '') : ''
    const messages = html`${this.#renderTrouble()} ${desk.work.render()}`
    const page = html`
      <div class="frame">
        <div class="side">${this.#renderNavigation(desk, name)} ${this.#renderSession()}</div>
        <div class="view home" tabindex="-1">
          ${isKnown || name === 'send' ? this.#renderView(desk, name, query) : loading()}
        </div>
      </div>
      <div class="messages">${event ? nothing : messages}</div>
      <inbox-detail
        exportparts="card, badge"
        .desk=${desk}
        .eventId=${event}
        .news=${this.#news}
        .tick=${this.#tick}
        .messages=${messages}
        @close=${() => void this.#close(name, query)}
      ></inbox-detail>
      <inbox-ask></inbox-ask>
    `
    return keyed(this.#session.number, page)
  }

  #renderNavigation(desk: Desk, current: Name) {
    const { metrics } = this
    const counts: Partial<Record<Name, number | undefined>> = {
      inbox: metrics?.pending,
      'dead-letters': metrics?.dlq_count,
    }
    const { blindness } = this.#session
    const views = VIEWS.filter(([name]) => (name === 'send' ? desk.can('write') : !blindness))
    const content = (name: Name, label: string) => html`
      ${icon(name)}<span>${label}</span>
      ${
        counts[name]
          ? html`<span class="count"
              >${count(counts[name])}<span class="visually-hidden"> ${COUNTED[name]}</span></span
            >`
          : nothing
      }
    `
    return html`
      <nav aria-label="Views" part="nav">
        <ul>
          ${views.map(
            ([name, label]) =>
              html`<li>
                ${link(desk, name, content(name, label), {
                  current: name === current,
                })}
              </li>`,
          )}
        </ul>
      </nav>
    `
  }

  #renderSession() {
    const { name } = this.#session
    return html`
      <div class="session">
        <span class="as-of">
          ${this.#asOf ? html`as of <time>${exactClock(this.#asOf)}</time>` : nothing}
        </span>
        ${name ? html`<span class="who">${name}</span>` : nothing}
        <button class="plain" @click=${this.#signOut}>Sign out</button>
      </div>
    `
  }

  /** Why the counts are old, or what the token may do is not known. */
  #renderTrouble() {
    const { error, lookAgain } = this.#session
    const wait = this.#poll.backoffSeconds
    const rest = wait ? ` Trying again in ${wait} s.` : ''
    if (this.#error !== undefined) return alert(`${explain(this.#error)}${rest}`, this.#poll.now)
    if (error === undefined) return nothing
    return alert(`What the token may do is not known. ${explain(error)}`, lookAgain)
  }

  #renderView(desk: Desk, name: Name, query: string) {
    const { metrics } = this
    const news = this.#news
    const tick = this.#tick
    switch (name) {
      case 'overview':
        return html`<inbox-overview
          exportparts="card, badge"
          .desk=${desk}
          .metrics=${metrics}
          .query=${query}
          .tick=${tick}
        ></inbox-overview>`
      case 'inbox':
        return html`<inbox-events
          exportparts="card, badge"
          .desk=${desk}
          .metrics=${metrics}
          .query=${query}
          .news=${news}
          .tick=${tick}
          .changes=${this.#changes}
        ></inbox-events>`
      case 'dead-letters':
        return html`<inbox-dead-letters
          exportparts="card, badge"
          .desk=${desk}
          .query=${query}
          .news=${news}
          .tick=${tick}
        ></inbox-dead-letters>`
      case 'consumers':
        return html`<inbox-consumers
          exportparts="card, badge"
          .desk=${desk}
          .metrics=${metrics}
          .query=${query}
          .news=${news}
          .tick=${tick}
        ></inbox-consumers>`
      case 'sources':
        return html`<inbox-sources
          exportparts="card, badge"
          .desk=${desk}
          .metrics=${metrics}
          .tick=${tick}
        ></inbox-sources>`
      case 'send':
        if (this.#session.isUnknown) return loading()
        return desk.can('write')
          ? html`<inbox-send .desk=${desk} .draft=${this.#draft}></inbox-send>`
          : html`<p class="panel">This token may not send events: that takes the scope write.</p>`
    }
  }

  /** What is shown when the token may not read, and not write either as far as is known. */
  #renderBlind(blindness: string) {
    const { error, isUnknown, lookAgain } = this.#session
    if (isUnknown) return loading()
    if (error === undefined) return this.#renderTokenForm(blindness)
    return alert(`What the token may do is not known. ${explain(error)}`, lookAgain)
  }

  #renderTokenForm(refusal: string) {
    const { base, desk } = this.#session
    return html`
      ${tokenForm(refusal, base, (token) => this.#use(token))}
      <div class="messages">${desk?.work.render()}</div>
    `
  }

  /** Begins anew with another inbox or another token. */
  #connect(): void {
    const { base } = this.#session
    this.#session.begin(this.endpoint, this.token)
    if (this.#session.base !== base) this.#draft = { ...FIRST_DRAFT }
    this.#error = undefined
    this.#asked.abort()
    this.#asOf = 0
    this.#news = ''
    this.metrics = undefined
    this.#poll.anew()
    this.requestUpdate()
  }

  /** Asks for the counts. @returns whether they came, or there is nobody to ask for */
  async #ask(): Promise<boolean> {
    const { desk, refusal, blindness } = this.#session
    if (!desk || refusal) return true
    if (blindness) {
      this.#tick++
      this.requestUpdate()
      return true
    }
    const asked = new AbortController()
    this.#asked = asked
    try {
      const metrics = await desk.inbox.metrics({ signal: asked.signal })
      if (asked.signal.aborted) return true
      if (this.#error !== undefined) this.#returns++
      this.#error = undefined
      this.#asOf = Date.now()
      this.#tick++
      this.#news = newsOf(metrics, this.#returns)
      this.metrics = metrics
      this.#tell('inbox-metrics', metrics)
      return true
    } catch (error) {
      if (asked.signal.aborted) return true
      const isRefused = this.#session.takeDown(error)
      if (!isRefused) this.#error = error
      this.#news ||= 'unknown'
      this.#tell('inbox-error', explain(error))
      return isRefused
    } finally {
      this.requestUpdate()
    }
  }

  #signOut(): void {
    this.#draft = { ...FIRST_DRAFT }
    this.#use('')
  }

  #use(token: string): void {
    this.#session.keep(token)
    this.token = ''
    this.#connect()
  }

  async #close(name: Name, query: string): Promise<void> {
    // When Back closed the dialog, the address is right already.
    if (new URLSearchParams(query).has('event')) {
      const rest = listedBy(query)
      this.#route.leave(rest ? `${name}?${rest}` : name)
    }
    await this.#rescueFocus()
  }

  /** After a dialog, the browser gives the focus back to what had it before, unless that is gone. */
  async #rescueFocus(): Promise<void> {
    await this.updateComplete
    const view = this.renderRoot.querySelector('.view > *')
    if (isFocusLost() && view instanceof View) view.focusHome()
  }

  #dialog(): AskDialog {
    const dialog = this.renderRoot.querySelector<AskDialog>('inbox-ask')
    if (!dialog) throw new Error('the dialog is not there')
    return dialog
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }))
  }
}

const labelOf = (name: Name) => VIEWS.find(([each]) => each === name)?.[1] ?? ''

/** What differs whenever something in the inbox did: the counts, and when D1 was last told of anything. */
function newsOf(metrics: Metrics, returns: number): string {
  const { total, pending, delivered, failed, queue_depth, dlq_count, last_processed_at } = metrics
  const counts = [total, pending, delivered, failed, queue_depth, dlq_count, last_processed_at]
  const consumers = metrics.subscriptions.map(({ claimed, settled, expired, leased }) => [
    claimed,
    settled,
    expired,
    leased,
  ])
  return JSON.stringify([returns, counts, consumers])
}

customElements.define('event-inbox', EventInbox)
