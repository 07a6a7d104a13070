import { css, html } from 'lit'
import type { Metrics, Source } from '../client/types.ts'
import { count, time } from './format'
import { Loader } from './loader'
import { styles } from './styles'
import { tableStyles } from './table-styles'
import { type Desk, link, View } from './view'

type SourceCounts = Metrics['sources'][number]

/** Stands in a source's URL for the secret, which the service does not tell. */
const SECRET_PLACE = '{token}'

/** A source of the configuration, or one that has counts but is no longer configured. */
interface Row {
  name: string
  source: Source | undefined
  counts: SourceCounts | undefined
}

/** Lists the sources: the URL to give to each sender, how to set it up, and what came from it. */
export class InboxSources extends View {
  static override properties = {
    desk: { attribute: false },
    metrics: { attribute: false },
    tick: { attribute: false },
  }

  static override styles = [
    styles,
    tableStyles,
    css`
      a {
        color: var(--accent);
      }
      .name,
      .url {
        overflow-wrap: anywhere;
      }
      .name {
        /* A short name stays whole, however much room the other columns ask for. */
        min-width: 6.5rem;
        font-weight: 600;
      }
      .url {
        flex: 0 1 auto;
        min-width: 0;
        user-select: all;
      }
      .address {
        flex-wrap: nowrap;
        align-items: baseline;
      }
      .setup {
        margin: 0.25rem 0 0;
        font-size: 0.85rem;
      }
      .setup .badge {
        align-items: baseline;
        white-space: normal;
      }
      .setup .badge::before {
        flex: none;
      }
      @container (width < 44rem) {
        .address {
          flex-wrap: wrap;
        }
      }
    `,
  ]

  declare desk: Desk
  declare tick: number
  /** What `GET /metrics` answered last; undefined until then. It has the counts. */
  declare metrics: Metrics | undefined

  #sources = new Loader(this, (_, signal) => this.desk.inbox.sources({ signal }))

  constructor() {
    super()
    this.tick = 0
  }

  protected override willUpdate(): void {
    this.#sources.want('', 0, this.tick)
  }

  override render() {
    return html`
      <section class="panel" aria-labelledby="title" aria-busy=${String(this.#sources.isAwaited)}>
        <h2 id="title">Sources</h2>
        ${this.#sources.render((sources) => this.#renderSources(rowsOf(sources, this.metrics?.sources ?? [])))}
      </section>
    `
  }

  #renderSources(rows: Row[]) {
    if (rows.length === 0)
      return html`<p class="empty">
        No sources yet. <code>npm run source -- github github</code> prints what to add to the
        configuration, and the URL to enter at the sender. <code>docs/sources.md</code> has the
        other senders.
      </p>`
    return html`
      <div class="row bar quiet">${count(rows.length)} shown</div>
      <table>
        <caption class="visually-hidden">
          Sources, in the order of the configuration
        </caption>
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col">URL</th>
            <th scope="col" class="number">Accepted</th>
            <th scope="col" class="number">Duplicates</th>
            <th scope="col" class="number">Refused</th>
            <th scope="col">Last event</th>
            <th scope="col">Events</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => this.#renderRow(row))}
        </tbody>
      </table>
    `
  }

  #renderRow({ name, source, counts }: Row) {
    const number = (value: number | undefined) => (value === undefined ? '–' : count(value))
    return html`
      <tr>
        <td data-label="Source" class="main">
          <div>
            <div class="name">${name}</div>
            <div class="quiet">${source?.type === name ? '' : source?.type}</div>
          </div>
        </td>
        <td data-label="URL" class="wide">
          <div>
            ${source ? this.#renderSetup(source) : warning('Not in the configuration any more')}
          </div>
        </td>
        <td data-label="Accepted" class="number">${number(counts?.accepted)}</td>
        <td data-label="Duplicates" class="number">${number(counts?.duplicates)}</td>
        <td data-label="Refused" class="number">${number(counts?.refused)}</td>
        <td data-label="Last event">${counts ? lastEvent(this.desk, counts) : '–'}</td>
        <td data-label="Events">
          ${link(this.desk, inboxOf(name), 'Show its events', { label: `Show its events: ${name}` })}
        </td>
      </tr>
    `
  }

  #renderSetup({ name, url, ready, setup }: Source) {
    return html`
      <div class="row address">
        <code class="url">${url}</code>
        <button aria-label="Copy the URL of ${name}" @click=${() => this.#copy(name, url)}>
          Copy
        </button>
      </div>
      ${ready ? html`<p class="setup quiet">${setup}</p>` : warning('Not ready: the log says why')}
    `
  }

  #copy(name: string, url: string): Promise<void> {
    const rest = url.endsWith(SECRET_PLACE) ? ` Put the secret in place of ${SECRET_PLACE}.` : ''
    return this.desk.work.copy(url, `URL of ${name} copied.${rest}`)
  }
}

/** Puts the counts to the sources; those that are counted, but not configured, come last. */
function rowsOf(sources: Source[], counted: SourceCounts[]): Row[] {
  const countsByName = new Map(counted.map((counts) => [counts.name, counts]))
  const configured = new Set(sources.map(({ name }) => name))
  const removed = counted.filter(({ name }) => !configured.has(name))
  return [
    ...sources.map((source) => ({
      name: source.name,
      source,
      counts: countsByName.get(source.name),
    })),
    ...removed.map((counts) => ({ name: counts.name, source: undefined, counts })),
  ]
}

function warning(text: string) {
  return html`<p class="setup"><span class="badge failed" part="badge">${text}</span></p>`
}

/** The time of the last event, as a link that opens it among the others of its source. */
function lastEvent(desk: Desk, { name, last_event_id, last_at }: SourceCounts) {
  if (last_event_id === null || last_at === null) return 'none yet'
  return link(
    desk,
    inboxOf(name, last_event_id),
    html`${time(last_at)}<span class="visually-hidden">, the last event of ${name}</span>`,
  )
}

/** The view of the events of a source, with one of them open if it is given. */
function inboxOf(name: string, event?: string): string {
  const view = new URLSearchParams({
    'metadata.source': name,
    ...(event !== undefined && { event }),
  })
  return `inbox?${view}`
}

customElements.define('inbox-sources', InboxSources)
