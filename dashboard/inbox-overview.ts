import { css, html, LitElement } from 'lit'
import type { Metrics } from './api'
import { ago, count, rate, time } from './format'
import './inbox-chart'
import { styles } from './styles'

/**
 * Shows the counts, the delivery rate and the last hour.
 *
 * @csspart card - one count with its label
 */
export class InboxOverview extends LitElement {
  static override properties = { metrics: { attribute: false } }

  static override styles = [
    styles,
    css`
      :host {
        display: grid;
        gap: 0.75rem;
      }
      dl {
        display: grid;
        grid-template-columns: repeat(4, minmax(0, 1fr));
        gap: 0.75rem;
        margin: 0;
      }
      .card {
        padding: 0.7rem 1rem;
        border: 1px solid var(--border);
        border-inline-start: 0.3rem solid var(--mark, var(--border));
        border-radius: 0.6rem;
        background: var(--surface);
      }
      dt {
        color: var(--quiet);
        font-size: 0.85rem;
      }
      dd {
        margin: 0;
        font-size: 1.55rem;
        font-variant-numeric: tabular-nums;
        line-height: 1.35;
      }
      dd small {
        display: block;
        min-height: 1.2rem;
        color: var(--quiet);
        font-size: 0.8rem;
        line-height: 1.2rem;
      }
      dd.words {
        font-size: 1.05rem;
        line-height: 2.1rem;
      }
      .rate {
        display: grid;
        grid-template-columns: auto 1fr auto;
        align-items: center;
        gap: 0.75rem;
      }
      .rate label {
        font-size: 0.9375rem;
      }
      progress {
        width: 100%;
        height: 0.7rem;
        accent-color: var(--delivered);
      }
      @container (width < 56rem) {
        dl {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
      }
      @container (width < 26rem) {
        dl {
          grid-template-columns: 1fr;
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

  declare metrics: Metrics

  override render() {
    const { metrics } = this
    const delivered = metrics.total === 0 ? 0 : metrics.delivered / metrics.total
    const percent = `${rate(delivered * 100)} %`
    const last = metrics.last_processed_at
    const waiting =
      metrics.oldest_unstored_seconds > 0
        ? `oldest waits ${rate(metrics.oldest_unstored_seconds)} s`
        : 'everything is in D1'
    return html`
      <dl>
        ${card('Total', count(metrics.total), 'held')}
        ${card('Pending', count(metrics.pending), 'to be processed', 'pending')}
        ${card('Delivered', count(metrics.delivered), 'acknowledged', 'delivered')}
        ${card('Failed', count(metrics.failed), 'retries used up', 'failed')}
        ${card('Queue depth', count(metrics.queue_depth), waiting)}
        ${card('Dead letters', count(metrics.dlq_count), 'to be redriven')}
        ${card('Events a minute', rate(metrics.processing_rate), 'written to D1')}
        <div class="card" part="card">
          <dt>Last processed</dt>
          <dd class="words">
            ${last ? ago(last) : 'never'}<small>${last ? time(last) : ''}</small>
          </dd>
        </div>
      </dl>
      <div class="panel rate">
        <label for="rate">Delivery rate</label>
        <progress id="rate" max="1" .value=${delivered}>${percent}</progress>
        <output for="rate">${percent}</output>
      </div>
      <section class="panel" aria-labelledby="hour">
        <h2 id="hour">Last hour, events a minute</h2>
        <inbox-chart .minutes=${metrics.per_minute}></inbox-chart>
      </section>
    `
  }
}

function card(label: string, value: string, note: string, kind = '') {
  return html`<div class="card ${kind}" part="card">
    <dt>${label}</dt>
    <dd>${value}<small>${note}</small></dd>
  </div>`
}

customElements.define('inbox-overview', InboxOverview)
