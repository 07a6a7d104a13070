import { css, html, nothing } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { Metrics, SubscriptionWithLeases } from '../client/types.ts'
import { count, duration, loading, several, time } from './format'
import { changedView } from './inbox-view'
import { visible } from './json-source'
import { Loader } from './loader'
import { Rows } from './rows'
import { styles } from './styles'
import { tableStyles } from './table-styles'
import { type Desk, link, View } from './view'

type Counts = Metrics['subscriptions'][number]

/** Lists the subscriptions with what waits in each, and of one of them who holds what, until when. */
export class InboxConsumers extends View {
  static override properties = {
    desk: { attribute: false },
    metrics: { attribute: false },
    query: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
  }

  static override styles = [
    styles,
    tableStyles,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 1rem;
      }
      .name {
        min-width: 7rem;
        overflow-wrap: anywhere;
        font-weight: 600;
      }
      td[data-label='Consumer'],
      td[data-label='Token'] {
        overflow-wrap: anywhere;
      }
      .ids {
        display: flex;
        flex-wrap: wrap;
        gap: 0.2rem 0.75rem;
        overflow-wrap: anywhere;
      }
      code {
        overflow-wrap: anywhere;
      }
    `,
  ]

  declare desk: Desk
  /** What `GET /metrics` answered last; undefined until then. */
  declare metrics: Metrics | undefined
  /** The view as a query string: `name` is the subscription whose leases are shown. */
  declare query: string
  declare news: string
  declare tick: number

  #rows = new Rows(this)
  #one = new Loader<SubscriptionWithLeases>(
    this,
    (name, signal) => this.desk.inbox.subscription(name, { signal }),
    { mustWait: (shown, waiting) => this.#rows.mustWait(seenOf(shown), seenOf(waiting)) },
  )

  protected override willUpdate(): void {
    const name = new URLSearchParams(this.query).get('name')
    this.#one.want(name, this.news, this.tick)
  }

  override render() {
    const { metrics } = this
    if (!metrics) return loading()
    const name = new URLSearchParams(this.query).get('name')
    return html`
      <section class="panel" aria-labelledby="title">
        <h2 id="title">Consumers</h2>
        <table>
          <caption class="visually-hidden">
            Subscriptions, and what waits in each
          </caption>
          <thead>
            <tr>
              <th scope="col">Subscription</th>
              <th scope="col" class="number">Ready</th>
              <th scope="col" class="number">Leased</th>
              <th scope="col" class="number">Scheduled</th>
              <th scope="col">Oldest ready</th>
              <th scope="col" class="number">Claimed</th>
              <th scope="col" class="number">Settled</th>
              <th scope="col" class="number">Expired</th>
              <th scope="col" class="number">Given up</th>
              <th scope="col">Events</th>
            </tr>
          </thead>
          <tbody>
            ${repeat(
              metrics.subscriptions,
              (each) => each.name,
              (each) => this.#renderRow(each, each.name === name),
            )}
          </tbody>
        </table>
        ${
          metrics.subscriptions.length === 0
            ? html`<p class="empty">Nothing was ever there to be claimed.</p>`
            : nothing
        }
      </section>
      ${name === null ? nothing : this.#renderOne(name)}
    `
  }

  #renderRow(counts: Counts, isOpen: boolean) {
    const { name, ready, oldest_ready_seconds } = counts
    const number = (label: string, value: number) =>
      html`<td data-label=${label} class="number">${count(value)}</td>`
    return html`
      <tr class=${isOpen ? 'open' : nothing}>
        <td data-label="Subscription" class="name main">
          ${link(this.desk, isOpen ? 'consumers' : `consumers?name=${name}`, name, {
            label: isOpen ? `Close ${name}` : name,
          })}
        </td>
        ${number('Ready', ready)} ${number('Leased', counts.leased)}
        ${number('Scheduled', counts.scheduled)}
        <td data-label="Oldest ready">${ready > 0 ? duration(oldest_ready_seconds) : '–'}</td>
        ${number('Claimed', counts.claimed)} ${number('Settled', counts.settled)}
        ${number('Expired', counts.expired)} ${number('Given up', counts.failed)}
        <td data-label="Events">
          ${link(this.desk, `inbox?subscription=${name}`, 'Show', { label: `Show the events of ${name}` })}
        </td>
      </tr>
    `
  }

  #renderOne(name: string) {
    return html`
      <section class="panel" aria-labelledby="one" aria-busy=${String(this.#one.isAwaited)}>
        <h2 id="one">${name}</h2>
        ${this.#one.render((subscription) => this.#renderLeases(subscription))}
      </section>
    `
  }

  #renderLeases({ name, leases, waiting, filter, max_attempts }: SubscriptionWithLeases) {
    const takes = filter
      ? html`takes events with <code>${visible(JSON.stringify(filter))}</code>`
      : html`takes ${name === 'inbox' ? 'what no other subscription does' : 'every event'}`
    const attempts =
      max_attempts === null ? '' : `, and gives up after ${several(max_attempts, 'attempt')}`
    return html`
      <p class="quiet">
        It ${takes}${attempts}. ${several(waiting, 'claim waits', 'claims wait')} for events.
      </p>
      ${
        leases.length === 0
          ? html`<p class="empty">Nobody holds events of it.</p>`
          : html`<table class="rows">
              <caption class="visually-hidden">
                Who holds what, and until when
              </caption>
              <thead>
                <tr>
                  <th scope="col">Consumer</th>
                  <th scope="col">Token</th>
                  <th scope="col">Since</th>
                  <th scope="col">Until</th>
                  <th scope="col">Events</th>
                </tr>
              </thead>
              <tbody>
                ${repeat(
                  leases,
                  ({ lease }) => lease,
                  ({ consumer, token, claimed_at, expires_at, event_ids }) => html`
                    <tr>
                      <td data-label="Consumer">${consumer === null ? '–' : visible(consumer)}</td>
                      <td data-label="Token">${visible(token)}</td>
                      <td data-label="Since">${time(claimed_at)}</td>
                      <td data-label="Until">${time(expires_at)}</td>
                      <td data-label="Events" class="wide">
                        <div class="ids">
                          ${event_ids.map((id) => link(this.desk, `consumers?${changedView(this.query, { event: id })}`, id))}
                        </div>
                      </td>
                    </tr>
                  `,
                )}
              </tbody>
            </table>`
      }
    `
  }
}

/** What a reader could press. */
const seenOf = ({ leases }: SubscriptionWithLeases): unknown =>
  leases.map(({ event_ids }) => event_ids)

customElements.define('inbox-consumers', InboxConsumers)
