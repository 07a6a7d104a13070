import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import type { Metrics } from '../client/types.ts'
import { ago, count, duration, loading, rate, several, STATUS_LABELS, time } from './format'
import type { Bucket } from './inbox-chart'
import './inbox-chart'
import { overviewStyles } from './inbox-overview-styles'
import { changedView } from './inbox-view'
import { Loader } from './loader'
import { styles } from './styles'
import { type Desk, link, View } from './view'

const RANGES = [
  ['', 'Hour'],
  ['day', 'Day'],
  ['month', 'Month'],
] as const
/** A subscription whose oldest event waits longer wants attention; so does D1 when it is not told for so long. */
const LATE_SECONDS = 60
const BEHIND_SECONDS = 15

interface Card {
  label: string
  value: number
  note: string
  /** Where it leads to. */
  to?: string
  kind?: string
  /** Whether it wants attention. */
  wants?: boolean
}

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

  static override styles = [styles, overviewStyles]

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
    if (!metrics) return loading()
    const last = metrics.last_processed_at
    const minutes = metrics.per_minute
    const before = minutes.at(-2)?.accepted ?? 0
    const present = minutes.at(-1)?.accepted ?? 0
    const written = rate(metrics.processing_rate)
    const share = metrics.total === 0 ? 0 : metrics.delivered / metrics.total
    // Rounded down: all is delivered only when it is.
    const percent = `${rate(Math.floor(share * 1_000) / 10)} %`
    const events = (status: string) => `inbox?${new URLSearchParams({ status })}`
    const { late, isBehind, oldest } = stateOf(metrics)
    const waits = metrics.pending > 0 && oldest && oldest.oldest_ready_seconds >= 1
    const unstored =
      metrics.queue_depth > 0 || metrics.oldest_unstored_seconds > 0
        ? `oldest waits ${duration(metrics.oldest_unstored_seconds)}`
        : 'everything is in D1'
    return html`
      <section class="panel counts" aria-labelledby="state">
        ${this.#renderState(metrics)}
        <dl>
          ${this.#card({
            label: 'Pending',
            value: metrics.pending,
            note: waits
              ? `oldest waits ${duration(oldest.oldest_ready_seconds)}`
              : 'to be processed',
            to: events('pending'),
            kind: 'pending',
            wants: late.length > 0,
          })}
          ${this.#card({
            label: 'Failed',
            value: metrics.failed,
            note: 'attempts used up',
            to: events('failed'),
            kind: 'failed',
            // Of what failed, the dead letters tell.
            wants: metrics.failed > 0 && metrics.dlq_count === 0,
          })}
          ${this.#card({
            label: 'Dead letters',
            value: metrics.dlq_count,
            note: 'to be redriven',
            to: 'dead-letters',
            kind: 'letters',
            wants: metrics.dlq_count > 0,
          })}
          ${this.#card({
            label: 'Queue depth',
            value: metrics.queue_depth,
            note: unstored,
            kind: 'unstored',
            wants: isBehind,
          })}
          ${this.#card({ label: 'Total', value: metrics.total, note: 'held', to: 'inbox' })}
          ${this.#card({
            label: 'Delivered',
            value: metrics.delivered,
            note: 'acknowledged',
            to: events('delivered'),
            kind: 'delivered',
          })}
          ${this.#card({
            label: 'Events in the last minute',
            value: before,
            note: `${count(present)} so far in this one; ${written} a minute written, over 5 minutes`,
          })}
          <div class="card" part="card">
            <dt>Last processed</dt>
            <dd class="words">
              ${last ? ago(last) : 'never'}<small>${last ? time(last) : nothing}</small>
            </dd>
          </div>
        </dl>
        <div class="rate">
          <label for="rate">Delivery rate</label>
          <progress id="rate" max="1" .value=${live(share)}>${percent}</progress>
          <output for="rate">${percent}</output>
        </div>
      </section>
      <section class="panel" aria-labelledby="chart" aria-busy=${String(this.#hours.isAwaited)}>
        ${this.#renderChart(metrics, desk)}
      </section>
    `
  }

  /** Says first what wants attention, each with the way there. It stays as it is while the reader's hand is at it. */
  #renderState(metrics: Metrics) {
    const isHandNear = this.renderRoot.querySelector('.wants:hover, .wants:focus-within')
    if (!isHandNear) this.#wants = this.#wantsOf(metrics)
    const isWell = this.#wants.length === 0
    return html`<div class="state">
      <h2 id="state" class="badge ${isWell ? 'delivered' : 'failed'}">
        ${isWell ? 'Nothing wants attention' : 'Wants attention'}
      </h2>
      <p class="wants">
        ${isWell ? html`<span class="quiet">No dead letters; nobody is late.</span>` : this.#wants}
      </p>
    </div>`
  }

  #wants: unknown[] = []

  #wantsOf({ dlq_count, failed, queue_depth, ...metrics }: Metrics): unknown[] {
    const { late, isBehind } = stateOf(metrics)
    const behind = duration(metrics.oldest_unstored_seconds)
    const letters = several(dlq_count, 'dead letter')
    const failures = several(failed, 'failed event')
    return [
      dlq_count > 0 && link(this.desk, 'dead-letters', letters),
      dlq_count === 0 && failed > 0 && link(this.desk, 'inbox?status=failed', failures),
      isBehind && html`<span>${several(queue_depth, 'event')} not in D1 for ${behind}</span>`,
      ...late
        .slice(0, 3)
        .map(({ name, oldest_ready_seconds }) =>
          link(
            this.desk,
            `consumers?name=${name}`,
            `${name} is ${duration(oldest_ready_seconds)} behind`,
          ),
        ),
    ].filter(Boolean)
  }

  #card({ label, value, note, to = '', kind = '', wants = false }: Card) {
    const text = count(value)
    const isStatus = kind in STATUS_LABELS
    return html`<div class="card ${kind} ${wants ? 'wants' : ''}" part="card">
      <dt class=${isStatus ? 'badge' : nothing}>${label}</dt>
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
    const minutes = metrics.per_minute.map(({ minute, ...counts }) => ({ at: minute, ...counts }))
    const what = isHour ? 'Last hour, events a minute' : `Last ${chart}, events an hour`
    const draw = (buckets: Bucket[]) =>
      html`<inbox-chart
        .desk=${desk}
        .buckets=${buckets}
        .bucketMs=${isHour ? 60_000 : 3_600_000}
        .label=${`Events in the last ${isHour ? 'hour' : chart}`}
      ></inbox-chart>`
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
      <div class="chart">${isHour ? draw(minutes) : this.#hours.render(draw)}</div>
    `
  }

  #choose(chart: string): void {
    const query = changedView(this.query, { chart })
    this.desk.go(query ? `overview?${query}` : 'overview')
  }
}

/**
 * What wants attention beside the dead letters. A subscription is late only where somebody claims its events: what is
 * worked through by hand may wait.
 */
function stateOf({
  subscriptions,
  oldest_unstored_seconds,
}: Pick<Metrics, 'subscriptions' | 'oldest_unstored_seconds'>) {
  const [oldest] = subscriptions.toSorted((a, b) => b.oldest_ready_seconds - a.oldest_ready_seconds)
  const late = subscriptions
    .filter(
      ({ claimed, oldest_ready_seconds }) => claimed > 0 && oldest_ready_seconds > LATE_SECONDS,
    )
    .toSorted((a, b) => b.oldest_ready_seconds - a.oldest_ready_seconds)
  return { oldest, late, isBehind: oldest_unstored_seconds > BEHIND_SECONDS }
}

customElements.define('inbox-overview', InboxOverview)
