import { Task, TaskStatus } from '@lit/task'
import { css, html, LitElement, type PropertyValues } from 'lit'
import { ApiProblem, fetchMetrics, type Metrics } from './api'

const TOKEN_KEY = 'event-inbox-token'

/**
 * The counts of an event inbox, kept up to date.
 *
 * @csspart card - one count with its label
 * @cssproperty --event-inbox-accent - colour of buttons and focus rings
 */
export class EventInbox extends LitElement {
  static override properties = {
    endpoint: { type: String },
    refreshSeconds: { type: Number, attribute: 'refresh-seconds' },
    token: { attribute: false },
  }

  static override styles = css`
    :host {
      --accent: var(--event-inbox-accent, light-dark(#1d4ed8, #93b4ff));
      display: block;
      container-type: inline-size;
      color-scheme: light dark;
      color: light-dark(#1c2330, #e8ecf4);
      font:
        1rem/1.5 system-ui,
        sans-serif;
    }
    dl {
      display: grid;
      grid-template-columns: repeat(4, 1fr);
      gap: 0.75rem;
      margin: 0;
    }
    @container (width < 50rem) {
      dl {
        grid-template-columns: repeat(2, 1fr);
      }
    }
    @container (width < 24rem) {
      dl {
        grid-template-columns: 1fr;
      }
    }
    div[part='card'] {
      padding: 0.75rem 1rem;
      border: 1px solid light-dark(#d5dae3, #39414f);
      border-left: 0.3rem solid var(--status, light-dark(#8a93a3, #77808f));
      border-radius: 0.5rem;
      background: light-dark(#fff, #1b202a);
    }
    .pending {
      --status: #d9a406;
    }
    .delivered {
      --status: #1f9d55;
    }
    .failed {
      --status: #d6393d;
    }
    dt {
      color: light-dark(#4d5768, #aab3c2);
      font-size: 0.875rem;
    }
    dd {
      margin: 0;
      font-size: 1.6rem;
      font-variant-numeric: tabular-nums;
    }
    dd.time {
      font-size: 1rem;
    }
    form {
      display: flex;
      flex-wrap: wrap;
      align-items: end;
      gap: 0.75rem;
    }
    label {
      display: grid;
      gap: 0.25rem;
    }
    input,
    button {
      padding: 0.5rem 0.75rem;
      border: 1px solid light-dark(#8a93a3, #77808f);
      border-radius: 0.4rem;
      background: light-dark(#fff, #12161d);
      color: inherit;
      font: inherit;
    }
    button {
      border-color: var(--accent);
      color: var(--accent);
      cursor: pointer;
    }
    :focus-visible {
      outline: 3px solid var(--accent);
      outline-offset: 2px;
    }
    [role='alert'] {
      margin: 0 0 0.75rem;
      color: light-dark(#a8181c, #ff9a9c);
    }
    [role='status'] {
      margin: 0.75rem 0 0;
      color: light-dark(#4d5768, #aab3c2);
      font-size: 0.875rem;
    }
  `

  /** Where the inbox is served; empty means the page's own origin. */
  declare endpoint: string
  /** Seconds between two requests; 0 asks once. */
  declare refreshSeconds: number
  /** The bearer token; what the reader types is kept for the browser session only. */
  declare token: string

  #timer: ReturnType<typeof setTimeout> | undefined
  #shown: Metrics | undefined

  #metrics = new Task(this, {
    args: () => [this.endpoint, this.token] as const,
    task: async ([endpoint, token], { signal }) => {
      if (!token) return undefined
      return fetchMetrics({ endpoint, token }, signal)
    },
    onComplete: (metrics) => {
      this.#shown = metrics
    },
  })

  constructor() {
    super()
    this.endpoint = ''
    this.refreshSeconds = 5
    this.token = sessionStorage.getItem(TOKEN_KEY) ?? ''
  }

  override connectedCallback(): void {
    super.connectedCallback()
    document.addEventListener('visibilitychange', this.#refreshWhenVisible)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    document.removeEventListener('visibilitychange', this.#refreshWhenVisible)
    clearTimeout(this.#timer)
    this.#metrics.abort()
  }

  protected override updated(_changed: PropertyValues): void {
    clearTimeout(this.#timer)
    const settled =
      this.#metrics.status === TaskStatus.COMPLETE || this.#metrics.status === TaskStatus.ERROR
    if (settled && this.token && this.refreshSeconds > 0) {
      this.#timer = setTimeout(this.#refreshWhenVisible, this.refreshSeconds * 1000)
    }
  }

  override render() {
    const { error, status } = this.#metrics
    const refused = error instanceof ApiProblem && (error.status === 401 || error.status === 403)
    if (!this.token || refused) return this.#renderTokenForm(refused ? error.message : undefined)
    return html`
      ${status === TaskStatus.ERROR ? this.#renderError(error) : ''}
      ${this.#shown ? this.#renderCounts(this.#shown) : ''}
      <p role="status">${this.#shown ? '' : 'Loading …'}</p>
    `
  }

  #renderTokenForm(reason: string | undefined) {
    return html`
      ${reason ? html`<p role="alert">${reason}</p>` : ''}
      <form @submit=${this.#useToken}>
        <label>API token <input name="token" type="password" required autocomplete="off" /></label>
        <button>Show the inbox</button>
      </form>
    `
  }

  #renderError(error: unknown) {
    const reason = error instanceof ApiProblem ? error.message : 'The service cannot be reached.'
    return html`<p role="alert">
      ${reason} <button @click=${() => this.#metrics.run()}>Try again</button>
    </p>`
  }

  #renderCounts(metrics: Metrics) {
    const last = metrics.last_processed_at
    return html`
      <dl>
        ${card('Total', metrics.total)} ${card('Pending', metrics.pending, 'pending')}
        ${card('Delivered', metrics.delivered, 'delivered')}
        ${card('Failed', metrics.failed, 'failed')} ${card('Queue depth', metrics.queue_depth)}
        ${card('Dead letters', metrics.dlq_count)}
        ${card('Events a minute', metrics.processing_rate)}
        <div part="card">
          <dt>Last processed</dt>
          <dd class="time">
            ${last ? html`<time datetime=${last}>${new Date(last).toLocaleString()}</time>` : 'never'}
          </dd>
        </div>
      </dl>
    `
  }

  #useToken(event: SubmitEvent): void {
    event.preventDefault()
    if (!(event.target instanceof HTMLFormElement)) return
    const token = new FormData(event.target).get('token')
    if (typeof token !== 'string') return
    sessionStorage.setItem(TOKEN_KEY, token)
    // The same token again must be asked about again.
    if (token === this.token) void this.#metrics.run()
    this.token = token
  }

  #refreshWhenVisible = (): void => {
    if (!document.hidden) void this.#metrics.run()
  }
}

function card(label: string, count: number, kind = '') {
  return html`<div part="card" class=${kind}>
    <dt>${label}</dt>
    <dd>${count.toLocaleString()}</dd>
  </div>`
}

customElements.define('event-inbox', EventInbox)
