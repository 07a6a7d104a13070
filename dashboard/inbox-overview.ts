import { css, html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import type { Metrics } from '../client/types.ts'
import { ago, alert, count, duration, explain, loading, rate, time } from './format'
import type { Bucket } from './inbox-chart'
import './inbox-chart'
import { changedView } from './inbox-view'
import { Loader } from './loader'
import { styles } from './styles'
import { type Desk, link, View } from './view'

const RANGES = [
  ['', 'Hour'],
  ['day', 'Day'],
  ['month', 'Month'],
] as const
/** The hours of a longer chart are asked for again after this time. */
const AGAIN_MS = 60_000

/**
 * Shows the counts, what wants attention, and what happened in the last hour, day or month.
 *
 * @csspart card - one count with its label
 */
export class InboxOverview extends View {
  static override properties = {
    desk: { attribute: false },
    metrics: { attribute: false },
    query: { attribute: false },
    tick: { attribute: false },
  }

  static override styles = [
    styles,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 1rem;
      }
      dl {
        display: grid;
        grid-template-columns: repeat(4, minmax(0, 1fr));
        gap: 1px;
        overflow: hidden;
        margin: 0;
        border: 1px solid var(--border);
        border-radius: 0.75rem;
        background: var(--border);
      }
      .card {
        position: relative;
        padding: 0.9rem 1.1rem;
        background: var(--surface);
      }
      dt {
        display: flex;
        align-items: center;
        min-height: 1.4rem;
        color: var(--quiet);
        font-size: 0.8125rem;
      }
      dt.badge {
        font-weight: 500;
      }
      dd {
        margin: 0;
        font-size: 1.75rem;
        font-variant-numeric: tabular-nums;
        font-weight: 600;
        letter-spacing: -0.01em;
        line-height: 1.35;
      }
      dd a {
        color: inherit;
        text-decoration: none;
      }
      dd a::after {
        position: absolute;
        inset: 0;
        content: '';
      }
      .card:has(a:hover) {
        background: var(--sunken);
      }
      dd small {
        display: block;
        min-height: 1.2rem;
        overflow-wrap: anywhere;
        color: var(--quiet);
        font-size: 0.8rem;
        font-weight: 400;
        letter-spacing: 0;
        line-height: 1.2rem;
      }
      dd.words {
        font-size: 1.1rem;
        line-height: 2.36rem;
      }
      .rate {
        display: grid;
        grid-template-columns: auto 1fr auto;
        align-items: center;
        gap: 0.75rem;
      }
      .rate label {
        color: var(--text);
        font-size: 0.9375rem;
      }
      progress {
        width: 100%;
        height: 0.5rem;
        overflow: hidden;
        border: 0;
        border-radius: 1rem;
        background: var(--sunken);
        accent-color: var(--delivered);
      }
      progress::-webkit-progress-bar {
        background: var(--sunken);
      }
      progress::-webkit-progress-value {
        background: var(--mark-delivered);
      }
      progress::-moz-progress-bar {
        background: var(--mark-delivered);
      }
      .heading {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem;
        margin-bottom: 0.9rem;
      }
      .heading h2 {
        flex: 1;
        margin: 0;
      }
      .chart {
        min-height: 17rem;
      }
      @container (width < 56rem) {
        dl {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
      }
      @container (width < 26rem) {
        dl {
          grid-template-columns: minmax(0, 1fr);
        }
        .rate {
          grid-template-columns: 1fr auto;
        }
        progress {
          grid-row: 2;
          grid-column: 1 / -1;
        }
      }
    `,
  ]

  declare desk: Desk
  /** What `GET /metrics` answered last; undefined until then. */
  declare metrics: Metrics | undefined
  /** The view as a query string: `chart` is `day` or `month`. */
  declare query: string
  declare tick: number

  #hours = new Loader<Bucket[]>(this, async (chart, signal) => {
    const wish = { chart: chart === 'month' ? 'month' : 'day', signal } as const
    const { per_hour } = await this.desk.inbox.metrics(wish)
    return (per_hour ?? []).map(({ hour, ...counts }) => ({ at: hour, ...counts }))
  })

  protected override willUpdate(): void {
    const chart = new URLSearchParams(this.query).get('chart')
    const version = Math.floor(Date.now() / AGAIN_MS)
    this.#hours.want(chart === 'day' || chart === 'month' ? chart : null, version, this.tick)
  }

  override render() {
    const { metrics, desk } = this
    if (!metrics) return loading(true)
    const last = metrics.last_processed_at
    const minutes = metrics.per_minute
    const before = minutes.at(-2)?.accepted ?? 0
    const present = minutes.at(-1)?.accepted ?? 0
    const waiting =
      metrics.queue_depth > 0 || metrics.oldest_unstored_seconds > 0
        ? `oldest waits ${duration(metrics.oldest_unstored_seconds)}`
        : 'everything is in D1'
    const events = (status: string) => `inbox?${new URLSearchParams({ status })}`
    const share = metrics.total === 0 ? 0 : metrics.delivered / metrics.total
    // Rounded down: all is delivered only when it is.
    const percent = `${rate(Math.floor(share * 1_000) / 10)} %`
    return html`
      <dl>
        ${this.#card('Total', metrics.total, 'held', 'inbox')}
        ${this.#card('Pending', metrics.pending, this.#oldest(metrics), events('pending'), 'pending')}
        ${this.#card('Delivered', metrics.delivered, 'acknowledged', events('delivered'), 'delivered')}
        ${this.#card('Failed', metrics.failed, 'attempts used up', events('failed'), 'failed')}
        ${this.#card('Dead letters', metrics.dlq_count, 'to be redriven', 'dead-letters')}
        ${this.#card('Queue depth', metrics.queue_depth, waiting)}
        <div class="card" part="card">
          <dt>Events in the last minute</dt>
          <dd>
            ${count(before)}<small
              >${count(present)} so far in this one; ${rate(metrics.processing_rate)} a minute
              written, over 5 minutes</small
            >
          </dd>
        </div>
        <div class="card" part="card">
          <dt>Last processed</dt>
          <dd class="words">
            ${last ? ago(last) : 'never'}<small>${last ? time(last) : nothing}</small>
          </dd>
        </div>
      </dl>
      <div class="panel rate">
        <label for="rate">Delivery rate</label>
        <progress id="rate" max="1" .value=${live(share)}>${percent}</progress>
        <output for="rate">${percent}</output>
      </div>
      <section class="panel" aria-labelledby="chart">${this.#renderChart(metrics, desk)}</section>
    `
  }

  #oldest({ subscriptions, pending }: Metrics): string {
    const oldest = Math.max(0, ...subscriptions.map((each) => each.oldest_ready_seconds))
    return pending > 0 && oldest >= 1 ? `oldest waits ${duration(oldest)}` : 'to be processed'
  }

  #card(label: string, value: number, note: string, to = '', kind = '') {
    const text = count(value)
    return html`<div class="card" part="card">
      <dt class=${kind ? `badge ${kind}` : nothing}>${label}</dt>
      <dd>
        ${to ? link(this.desk, to, text, { label: `${label}: ${text}` }) : text}<small
          >${note}</small
        >
      </dd>
    </div>`
  }

  #renderChart(metrics: Metrics, desk: Desk) {
    const chart = new URLSearchParams(this.query).get('chart') ?? ''
    const isHour = chart !== 'day' && chart !== 'month'
    const { value, valueKey, error, isSlow } = this.#hours
    const minutes = metrics.per_minute.map(({ minute, ...counts }) => ({ at: minute, ...counts }))
    const buckets = isHour ? minutes : valueKey === chart ? value : undefined
    const what = isHour ? 'Last hour, events a minute' : `Last ${chart}, events an hour`
    return html`
      <div class="heading">
        <h2 id="chart">${what}</h2>
        <div class="segments" role="group" aria-label="Time of the chart">
          ${RANGES.map(
            ([name, label]) =>
              html`<button
                aria-pressed=${(isHour ? '' : chart) === name ? 'true' : 'false'}
                @click=${() => this.#choose(name)}
              >
                ${label}
              </button>`,
          )}
        </div>
      </div>
      <div class="chart">
        ${error === undefined || isHour ? nothing : alert(explain(error), this.#hours.again)}
        ${
          buckets
            ? html`<inbox-chart
                .desk=${desk}
                .buckets=${buckets}
                .bucketMs=${isHour ? 60_000 : 3_600_000}
                .label=${`Events in the last ${isHour ? 'hour' : chart}`}
              ></inbox-chart>`
            : loading(isSlow)
        }
      </div>
    `
  }

  #choose(chart: string): void {
    const query = changedView(this.query, { chart })
    this.desk.go(query ? `overview?${query}` : 'overview')
  }
}

customElements.define('inbox-overview', InboxOverview)
