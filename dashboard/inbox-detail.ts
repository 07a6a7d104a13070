import { html, nothing, type PropertyValues } from 'lit'
import { InboxError } from '../client/error.ts'
import type { EventWithTimeline } from '../client/types.ts'
import { type Action, askFirst, change, DONE } from './actions'
import { type Sources, sourcesOf } from './connection'
import { badge, count, time } from './format'
import { timeline } from './inbox-timeline'
import { compact, indented, visible } from './json-source'
import { Loader } from './loader'
import { detailStyles } from './inbox-detail-styles'
import { styles } from './styles'
import { type Desk, link, View } from './view'

/** An event, and its body as it was sent. */
interface Shown {
  event: EventWithTimeline
  sources: Sources
}

/**
 * Shows one whole event in a drawer: its body as it was sent, what happened to it, and what can be done to it.
 *
 * @fires close - the drawer was closed
 */
export class InboxDetail extends View {
  static override properties = {
    desk: { attribute: false },
    eventId: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
    messages: { attribute: false },
    isRaw: { state: true },
  }

  static override styles = [styles, detailStyles]

  declare desk: Desk
  /** The id of the event to show; empty closes the drawer. */
  declare eventId: string
  /** Changes when the event may have. */
  declare news: string
  declare tick: number
  /** What is to be said to the reader; this is in front of all else. */
  declare messages: unknown
  declare isRaw: boolean

  #event = new Loader<Shown>(this, (id, signal) => this.#load(id, signal))

  constructor() {
    super()
    this.eventId = ''
    this.news = ''
    this.tick = 0
    this.isRaw = false
  }

  protected override willUpdate(): void {
    this.#event.want(this.eventId || null, this.news, this.tick)
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has('eventId')) return
    const dialog = this.renderRoot.querySelector('dialog')
    if (this.eventId && !dialog?.open) dialog?.showModal()
    if (!this.eventId && dialog?.open) dialog.close()
  }

  /** Loads the event; of one that is shown already only what can have changed. */
  async #load(id: string, signal: AbortSignal): Promise<Shown> {
    const { inbox } = this.desk
    const shown = this.#event.value
    if (shown) {
      const state = await inbox.timeline(id, { body: 'none', signal })
      // Another event may have the id by now.
      if (state.created_at === shown.event.created_at)
        return { ...shown, event: { ...shown.event, ...state } }
    }
    const event = await inbox.timeline(id, { signal })
    return { event, sources: sourcesOf(event) }
  }

  override render() {
    const { eventId: id } = this
    const { value, error, isAwaited } = this.#event
    // What was deleted meanwhile has nothing left to be done to.
    const isGone = error instanceof InboxError && error.code === 'EVENT_NOT_FOUND'
    if (isGone) this.#event.value = undefined
    const { work } = this.desk
    const isBusy = isAwaited || work.busy.has(id)
    const address = this.desk.href(`inbox?${new URLSearchParams({ event: id })}`)
    return html`
      <dialog
        aria-labelledby="title"
        aria-busy=${String(isBusy)}
        @close=${() => this.dispatchEvent(new Event('close'))}
      >
        <header>
          <h2 id="title">${id}</h2>
          ${address === '#' ? nothing : html`<button class="plain" @click=${() => work.copy(address, 'Link copied.')}>Copy link</button>`}
          <form method="dialog"><button class="plain" aria-label="Close">✕</button></form>
        </header>
        <div class="body home" tabindex="-1" autofocus>
          ${id ? this.#event.render((shown) => this.#renderEvent(shown)) : nothing}
        </div>
        <div class="messages">${id ? this.messages : nothing}</div>
        <footer>${value && !isGone ? this.#renderActions(value) : nothing}</footer>
      </dialog>
    `
  }

  #renderEvent({ event, sources: { payload, metadata } }: Shown) {
    const { desk } = this
    const source: unknown = event.metadata?.['source']
    const found = (name: string, value: string) =>
      link(desk, `inbox?${new URLSearchParams({ [name]: value })}`, visible(value))
    const [accepted] = event.timeline
    return html`
      <dl>
        ${
          // The heading may have no room for it.
          event.event_id.length > 40
            ? html`<dt>Event id</dt>
                <dd>${event.event_id}</dd>`
            : nothing
        }
        <dt>Status</dt>
        <dd>${badge(event.status)}</dd>
        <dt>Created</dt>
        <dd>${time(event.created_at)}</dd>
        <dt>Updated</dt>
        <dd>${time(event.updated_at)}</dd>
        <dt>Retries</dt>
        <dd>${count(event.retry_count)}</dd>
        ${
          typeof source === 'string'
            ? html`<dt>Source</dt>
                <dd>${found('metadata.source', source)}</dd>`
            : nothing
        }
        <dt>Correlation id</dt>
        <dd>${found('correlation_id', event.correlation_id)}</dd>
        ${
          accepted?.by
            ? html`<dt>Sent by</dt>
                <dd>${visible(accepted.by)}</dd>`
            : nothing
        }
      </dl>
      ${event.subscriptions.length > 0 ? this.#renderTakers(event) : nothing}
      ${this.#renderBody('Payload', payload)}
      ${metadata === 'null' ? nothing : this.#renderBody('Metadata', metadata)}
      ${timeline(event, this.#event.again)}
    `
  }

  #renderTakers({ subscriptions }: EventWithTimeline) {
    return html`
      <section aria-labelledby="takers">
        <h3 id="takers">Subscriptions</h3>
        <dl>
          ${subscriptions.map(
            ({ name, status, attempt, visible_at }) => html`
              <dt>${link(this.desk, `consumers?name=${name}`, name)}</dt>
              <dd>
                ${badge(status)}${attempt ? html`, attempt ${count(attempt)}` : nothing}${
                  status === 'scheduled' && visible_at ? html`, from ${time(visible_at)}` : nothing
                }
              </dd>
            `,
          )}
        </dl>
      </section>
    `
  }

  #renderBody(label: string, source: string) {
    const name = label.toLowerCase()
    const text = this.#textOf(label, source)
    return html`
      <section>
        <div class="heading">
          <h3>${label}</h3>
          <button
            class="plain"
            aria-pressed=${this.isRaw ? 'true' : 'false'}
            @click=${() => (this.isRaw = !this.isRaw)}
          >
            As sent
          </button>
          <button
            class="plain"
            aria-label="Copy ${name}"
            @click=${() => this.desk.work.copy(text, `${label} copied.`)}
          >
            Copy
          </button>
        </div>
        <pre tabindex="0" role="region" aria-label=${label}>${isolated(visible(text))}</pre>
      </section>
    `
  }

  /** A body as it is shown. It is made once, as it may be large. */
  #textOf(label: string, source: string): string {
    const key = `${this.isRaw}${source}`
    const made = this.#texts.get(label)
    if (made?.key === key) return made.text
    const text = this.isRaw ? source : indented(source)
    this.#texts.set(label, { key, text })
    return text
  }

  readonly #texts = new Map<string, { key: string; text: string }>()

  /** Each action has a place of its own, so that none takes the place of another under the reader's hand. */
  #renderActions({ event, sources }: Shown) {
    const { desk } = this
    const isBusy = desk.work.busy.has(event.event_id)
    const does = (action: Action, label: string, isThere: boolean, kind: string) =>
      html`<button
        class="${kind} ${isThere ? '' : 'absent'}"
        aria-disabled=${String(isBusy)}
        @click=${() => this.#act(action)}
      >
        ${label}
      </button>`
    const copy = () => desk.work.copy(curl(desk.base, sources), 'Command copied.')
    const { status } = event
    const changes = html`
      ${does('delete', 'Delete …', true, 'danger')} <span class="space"></span>
      ${does('retry', 'Retry', status === 'failed', 'main retry')}
      ${does('nack', 'Nack …', status === 'pending', '')}
      ${does('ack', 'Acknowledge', status === 'pending', 'main')}
    `
    return html`
      <button @click=${copy}>Copy as curl</button>
      ${desk.can('manage') ? changes : nothing}
    `
  }

  async #act(action: Action): Promise<void> {
    const { desk, eventId: id } = this
    if (desk.work.busy.has(id)) return
    const reply = await askFirst(desk, action, id)
    if (!reply) return
    const isDone = await desk.work.do({ action, to: id, ids: [id] }, async () => {
      const outcome = await change(desk, action, id, reply)
      return { said: `${id} ${DONE[action]}.`, outcomes: new Map([[id, outcome]]) }
    })
    // Another event may be open by now.
    if (!isDone || this.eventId !== id) return
    if (action === 'delete') this.dispatchEvent(new Event('close'))
    else this.#event.again()
  }
}

/** Letters that are written from right to left. */
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/** JSON in which each string is read in its own direction, and all that is between them from left to right. */
function isolated(text: string): unknown {
  if (!RIGHT_TO_LEFT.test(text)) return text
  const parts = text.split(/("(?:[^"\\]|\\.)*")/)
  return parts.map((part) => (RIGHT_TO_LEFT.test(part) ? html`<bdi>${part}</bdi>` : part))
}

/** A command line of no more characters goes to a shell as an argument; systems take 128 KiB at most. */
const MAX_ARGUMENT = 100_000

/** A command that sends the event once more, under an id of its own. It has no token in it. */
function curl(base: string, { payload, metadata }: Sources): string {
  const own = metadata === 'null' ? '' : `,"metadata":${compact(metadata)}`
  const body = `{"payload":${compact(payload)}${own}}`
  const command = [
    `curl -X POST '${base.replaceAll("'", '%27')}/events'`,
    '-H "Authorization: Bearer $EVENT_INBOX_TOKEN"',
    "-H 'Content-Type: application/json'",
  ].join(' ')
  return body.length <= MAX_ARGUMENT
    ? `${command} --data-raw '${body.replaceAll("'", String.raw`'\''`)}'`
    : `${command} --data-binary @- <<'EVENT'\n${body}\nEVENT\n`
}

customElements.define('inbox-detail', InboxDetail)
