import { Task, TaskStatus } from '@lit/task'
import { css, html, LitElement, nothing } from 'lit'
import { ApiProblem, type Connection, fetchMetrics, type Metrics } from './api'
import { alert, explain } from './format'
import './inbox-dead-letters'
import './inbox-events'
import './inbox-overview'
import './inbox-send'
import './inbox-sources'
import { Poll } from './poll'
import { styles } from './styles'

const TOKEN_KEY = 'event-inbox-token'
const VIEWS = [
  ['overview', 'Overview'],
  ['inbox', 'Inbox'],
  ['dead-letters', 'Dead letters'],
  ['sources', 'Sources'],
  ['send', 'Send'],
] as const

/**
 * Shows the whole dashboard of an event inbox, on any page.
 * It has the counts, the inbox, the dead letters, the sources, and a form for test events.
 *
 * @fires inbox-change - after something was changed through it; `detail` is `{ action, ids }`
 * @fires inbox-metrics - after new counts came in; `detail` is what `GET /metrics` answered
 * @fires inbox-error - when the counts could not be had; `detail` is the reason in words
 * @csspart nav - the links to the views
 * @csspart card - one count with its label
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
export class EventInbox extends LitElement {
  static override properties = {
    endpoint: { type: String },
    refreshSeconds: { type: Number, attribute: 'refresh-seconds' },
    token: { attribute: false },
    metrics: { state: true },
    tick: { state: true },
    hash: { state: true },
  }

  static override styles = [
    styles,
    css`
      :host {
        container-type: inline-size;
        color-scheme: light dark;
      }
      nav ul {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem;
        margin: 0 0 1rem;
        padding: 0;
        border-bottom: 1px solid var(--border);
        list-style: none;
      }
      nav a {
        display: block;
        padding: 0.45rem 0.8rem;
        border-bottom: 3px solid transparent;
        color: var(--quiet);
        text-decoration: none;
      }
      nav a[aria-current] {
        border-color: var(--accent);
        color: var(--text);
      }
      @container (width < 26rem) {
        nav a {
          padding-inline: 0.25rem;
          font-size: 0.875rem;
        }
      }
      form {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: 0.75rem;
      }
      form label {
        flex: 1 1 16rem;
        max-width: 28rem;
      }
      .loading {
        min-height: 20rem;
      }
    `,
  ]

  /** The URL where the inbox is served; empty means the page's own origin. */
  declare endpoint: string
  /** Seconds between two requests for the counts; with 0 it asks once. */
  declare refreshSeconds: number
  /** The bearer token. A token that the reader types is kept for the browser session only. */
  declare token: string
  declare metrics: Metrics | undefined
  declare tick: number
  declare hash: string

  #connection: Connection = { endpoint: '', token: '' }

  #counts = new Task(this, {
    autoRun: false,
    task: (_, { signal }) => fetchMetrics({ endpoint: this.endpoint, token: this.token }, signal),
    onComplete: (metrics) => {
      this.metrics = metrics
      this.tick++
      this.#tell('inbox-metrics', metrics)
    },
    onError: (error) => this.#tell('inbox-error', explain(error)),
  })

  #poll = new Poll(
    this,
    async () => {
      if (!this.token) return true
      await this.#counts.run()
      return this.#counts.status === TaskStatus.COMPLETE
    },
    () => this.refreshSeconds,
  )

  constructor() {
    super()
    this.endpoint = ''
    this.refreshSeconds = 5
    this.token = sessionStorage.getItem(TOKEN_KEY) ?? ''
    this.tick = 0
    this.hash = location.hash
  }

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('hashchange', this.#readHash)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('hashchange', this.#readHash)
    this.#counts.abort()
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has('endpoint') && !changed.has('token')) return
    this.#connection = { endpoint: this.endpoint, token: this.token }
    this.metrics = undefined
    if (this.hasUpdated) this.#poll.now()
  }

  override render() {
    const { error, status } = this.#counts
    const refused = error instanceof ApiProblem && (error.status === 401 || error.status === 403)
    if (!this.token || (status === TaskStatus.ERROR && refused))
      return this.#renderTokenForm(refused ? error.message : '')
    const [view, query = ''] = this.hash.replace(/^#\/?/, '').split('?')
    const name = VIEWS.find(([each]) => each === view)?.[0] ?? 'overview'
    const wait = this.#poll.backoffSeconds
    const trouble = explain(error) + (wait ? ` Trying again in ${wait} s.` : '')
    return html`
      <nav aria-label="Views" part="nav">
        <ul>
          ${VIEWS.map(
            ([each, label]) =>
              html`<li>
                <a href="#/${each}" aria-current=${each === name ? 'page' : nothing}>${label}</a>
              </li>`,
          )}
        </ul>
      </nav>
      ${status === TaskStatus.ERROR ? alert(trouble, this.#poll.now) : nothing}
      <div @inbox-change=${this.#poll.now}>${this.#renderView(name, query)}</div>
    `
  }

  #renderView(name: (typeof VIEWS)[number][0], query: string) {
    switch (name) {
      case 'overview':
        return this.metrics
          ? html`<inbox-overview .metrics=${this.metrics}></inbox-overview>`
          : html`<p class="loading" role="status">Loading …</p>`
      case 'inbox':
        return html`<inbox-events
          .connection=${this.#connection}
          .query=${query}
          .tick=${this.tick}
          @inbox-query=${({ detail }: CustomEvent<string>) => (location.hash = `#/inbox?${detail}`)}
        ></inbox-events>`
      case 'dead-letters':
        return html`<inbox-dead-letters
          .connection=${this.#connection}
          .tick=${this.tick}
        ></inbox-dead-letters>`
      case 'sources':
        return html`<inbox-sources
          .connection=${this.#connection}
          .metrics=${this.metrics}
        ></inbox-sources>`
      case 'send':
        return html`<inbox-send .connection=${this.#connection}></inbox-send>`
    }
  }

  #renderTokenForm(reason: string) {
    return html`
      <section class="panel" aria-label="Access">
        ${alert(reason)}
        <form @submit=${this.#useToken}>
          <label
            >API token <input name="token" type="password" required autocomplete="off"
          /></label>
          <button class="main">Show the inbox</button>
        </form>
      </section>
    `
  }

  #useToken(event: SubmitEvent): void {
    event.preventDefault()
    if (!(event.target instanceof HTMLFormElement)) return
    const token = new FormData(event.target).get('token')
    if (typeof token !== 'string') return
    sessionStorage.setItem(TOKEN_KEY, token)
    // An unchanged property starts no request by itself, but the reader wants the token tried again.
    if (token === this.token) this.#poll.now()
    this.token = token
  }

  #readHash = (): void => {
    this.hash = location.hash
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }))
  }
}

customElements.define('event-inbox', EventInbox)
