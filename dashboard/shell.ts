import { html, nothing } from 'lit'
import { keyed } from 'lit/directives/keyed.js'
import { InboxError } from '../client/error.ts'
import type { Inbox } from '../client/inbox.ts'
import type { Metrics } from '../client/types.ts'
import { baseOf, connect, keepToken, keptToken } from './connection'
import { alert, count, exactClock, explain } from './format'
import type { AskDialog } from './inbox-ask'
import './inbox-ask'
import './inbox-consumers'
import './inbox-dead-letters'
import './inbox-detail'
import './inbox-events'
import './inbox-overview'
import { type Draft, FIRST_DRAFT } from './inbox-send'
import './inbox-sources'
import { changedView, titleOf } from './inbox-view'
import { Loader } from './loader'
import { Poll } from './poll'
import { Route } from './route'
import { shellStyles } from './shell-styles'
import { styles } from './styles'
import { type Desk, link, type Scope, View } from './view'

const VIEWS = [
  ['overview', 'Overview'],
  ['inbox', 'Inbox'],
  ['dead-letters', 'Dead letters'],
  ['consumers', 'Consumers'],
  ['sources', 'Sources'],
  ['send', 'Send'],
] as const
type Name = (typeof VIEWS)[number][0]

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

  #base = ''
  /** The token in use: that of the page, or that of the reader. */
  #used = ''
  #desk: Desk | undefined
  #asked = new AbortController()
  /** Counts the inboxes and tokens that were in use: views of one never show another. */
  #session = 0
  /** How often the reader changed something. */
  #changes = 0
  #known: unknown
  /** When the counts came. */
  #asOf = 0
  /** How often they came. */
  #tick = 0
  /** Changes when something in the inbox did, as far as the counts tell. */
  #news = ''
  /** How often the service came back. */
  #returns = 0
  #error: unknown
  /** Why the token in use is no good; there is no use in asking again with it. */
  #refusal = ''
  #draft: Draft = { ...FIRST_DRAFT }

  #route = new Route(this, () => this.route)
  #who = new Loader(this, async (_, signal) => this.#desk?.inbox.whoami({ signal }))
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
    this.#who.want(this.#desk && !this.#refusal ? this.#used : null, 0, this.#tick)
    if (this.#known === this.#who.value) return
    this.#known = this.#who.value
    // Views draw anew when they are given another desk.
    if (this.#desk) this.#desk = { ...this.#desk }
  }

  override render() {
    if (!this.#used || this.#refusal) return this.#renderTokenForm()
    const desk = this.#desk
    if (!desk) return nothing
    const [view, query = ''] = this.#route.to.split('?')
    const name = VIEWS.find(([each]) => each === view)?.[0] ?? 'overview'
    if (this.pageTitle) document.title = `${titleOf(labelOf(name), query)} · ${this.pageTitle}`
    const wait = this.#poll.backoffSeconds
    const trouble =
      this.#error === undefined
        ? ''
        : `${explain(this.#error)}${wait ? ` Trying again in ${wait} s.` : ''}`
    const views = html`
      <div class="frame">
        ${this.#renderNavigation(desk, name)}
        <div class="view" @inbox-change=${this.#change}>
          ${trouble ? alert(trouble, this.#poll.now) : nothing}
          ${trouble || this.#who.error === undefined ? nothing : alert(`What the token may do is not known. ${explain(this.#who.error)}`, this.#who.again)}
          ${this.#renderView(desk, name, query)}
        </div>
      </div>
      <inbox-detail
        .desk=${desk}
        .eventId=${new URLSearchParams(query).get('event') ?? ''}
        .news=${this.#news}
        .tick=${this.#tick}
        @inbox-change=${this.#change}
        @close=${() => this.#close(name, query)}
      ></inbox-detail>
      <inbox-ask></inbox-ask>
    `
    return keyed(this.#session, views)
  }

  #renderNavigation(desk: Desk, current: Name) {
    const { metrics } = this
    const counts: Partial<Record<Name, number | undefined>> = {
      inbox: metrics?.pending,
      'dead-letters': metrics?.dlq_count,
    }
    const views = VIEWS.filter(([name]) => name !== 'send' || desk.can('write'))
    const name = this.#who.value?.name
    return html`
      <nav aria-label="Views" part="nav">
        <ul>
          ${views.map(
            ([each, label]) =>
              html`<li>
                ${link(
                  desk,
                  each,
                  html`<span>${label}</span
                    >${counts[each] ? html`<span class="count">${count(counts[each])}</span>` : nothing}`,
                  { current: each === current },
                )}
              </li>`,
          )}
        </ul>
        <div class="session">
          <span class="as-of">
            ${this.#asOf ? html`as of <time>${exactClock(this.#asOf)}</time>` : nothing}
          </span>
          ${name ? html`<span class="who">${name}</span>` : nothing}
          <button class="plain" @click=${this.#signOut}>Sign out</button>
        </div>
      </nav>
    `
  }

  #renderView(desk: Desk, name: Name, query: string) {
    const { metrics } = this
    const news = this.#news
    const tick = this.#tick
    switch (name) {
      case 'overview':
        return html`<inbox-overview
          .desk=${desk}
          .metrics=${metrics}
          .query=${query}
          .tick=${tick}
        ></inbox-overview>`
      case 'inbox':
        return html`<inbox-events
          .desk=${desk}
          .metrics=${metrics}
          .query=${query}
          .news=${news}
          .tick=${tick}
          .changes=${this.#changes}
        ></inbox-events>`
      case 'dead-letters':
        return html`<inbox-dead-letters
          .desk=${desk}
          .query=${query}
          .news=${news}
          .tick=${tick}
        ></inbox-dead-letters>`
      case 'consumers':
        return html`<inbox-consumers
          .desk=${desk}
          .metrics=${metrics}
          .query=${query}
          .news=${news}
          .tick=${tick}
        ></inbox-consumers>`
      case 'sources':
        return html`<inbox-sources .desk=${desk} .metrics=${metrics} .tick=${tick}></inbox-sources>`
      case 'send':
        return html`<inbox-send .desk=${desk} .draft=${this.#draft}></inbox-send>`
    }
  }

  #renderTokenForm() {
    return html`
      <section class="panel access" aria-label="Access">
        <h2>Sign in</h2>
        ${alert(this.#refusal)}
        <form @submit=${this.#signIn}>
          <label
            >API token <input name="token" type="password" required autocomplete="off"
          /></label>
          <button class="main">Show the inbox</button>
        </form>
        <p class="quiet">
          It is kept for this browser session only, and sent to <code>${this.#base}</code> alone.
        </p>
      </section>
    `
  }

  /** Begins anew with another inbox or another token. */
  #connect(): void {
    this.#session++
    this.#refusal = ''
    try {
      this.#base = baseOf(this.endpoint)
    } catch {
      this.#base = ''
      this.#refusal = `The endpoint is not a URL: ${this.endpoint}`
    }
    this.#used = this.#base && (this.token || keptToken(this.#base)).trim()
    this.#error = undefined
    this.#asked.abort()
    this.#asOf = 0
    this.#news = ''
    this.metrics = undefined
    this.#who.forget()
    const inbox = this.#speaker()
    this.#desk = inbox
      ? {
          inbox,
          base: this.#base,
          can: (scope) => this.#can(scope),
          href: (to) => this.#route.href(to),
          go: (to, options) => this.#route.go(to, options),
          ask: (question) => this.#dialog().ask(question),
        }
      : undefined
    this.#poll.anew()
  }

  /** Makes what speaks to the inbox. What no request can carry is refused, and never asked with. */
  #speaker(): Inbox | undefined {
    try {
      return this.#used ? connect(this.#base, this.#used) : undefined
    } catch (error) {
      this.#refusal = `No request can be made: ${error instanceof Error ? error.message : error}.`
      return undefined
    }
  }

  /** Asks for the counts. @returns whether they came, or there is nobody to ask for */
  async #ask(): Promise<boolean> {
    const desk = this.#desk
    if (!desk || this.#refusal) return true
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
      const isRefused =
        error instanceof InboxError && ['UNAUTHORIZED', 'INSUFFICIENT_SCOPE'].includes(error.code)
      if (isRefused) this.#refusal = explain(error)
      else this.#error = error
      this.#tell('inbox-error', explain(error))
      return isRefused
    } finally {
      this.requestUpdate()
    }
  }

  #change = (): void => {
    this.#changes++
    this.#poll.now()
  }

  #can(scope: Scope): boolean {
    const scopes: readonly string[] | undefined = this.#who.value?.scopes
    return scopes?.includes(scope) ?? false
  }

  #signIn(event: SubmitEvent): void {
    event.preventDefault()
    if (!(event.target instanceof HTMLFormElement)) return
    const token = new FormData(event.target).get('token')
    if (typeof token !== 'string') return
    keepToken(this.#base, token)
    this.token = ''
    this.#connect()
    this.requestUpdate()
  }

  #signOut(): void {
    this.#draft = { ...FIRST_DRAFT }
    keepToken(this.#base, '')
    this.token = ''
    this.#connect()
    this.requestUpdate()
  }

  #close(name: Name, query: string): void {
    // When Back closed the dialog, the address is right already.
    if (!new URLSearchParams(query).has('event')) return
    const rest = changedView(query, { event: null })
    this.#route.leave(rest ? `${name}?${rest}` : name)
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
