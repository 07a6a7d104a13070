import { html, nothing, type PropertyValues } from 'lit'
import { InboxError } from '../client/error.ts'
import type { EventWithTimeline } from '../client/types.ts'
import { type Action, askFirst, change } from './actions'
import { COPY_REFUSED, copyText } from './clipboard'
import { sourcesOf } from './connection'
import { alert, badge, count, explain, explainChange, loading, time } from './format'
import { timeline } from './inbox-timeline'
import { compact, indented, visible } from './json-source'
import { Loader } from './loader'
import { detailStyles } from './inbox-detail-styles'
import { styles } from './styles'
import { type Desk, link, View } from './view'

/**
 * Shows one whole event in a drawer: its body as it was sent, what happened to it, and what can be done to it.
 *
 * @fires inbox-change - after it was changed; `detail` is `{ action, ids }`
 * @fires close - the drawer was closed
 */
export class InboxDetail extends View {
  static override properties = {
    desk: { attribute: false },
    eventId: { attribute: false },
    news: { attribute: false },
    tick: { attribute: false },
    isRaw: { state: true },
    busy: { state: true },
    said: { state: true },
    trouble: { state: true },
  }

  static override styles = [styles, detailStyles]

  declare desk: Desk
  /** The id of the event to show; empty closes the drawer. */
  declare eventId: string
  /** Changes when the event may have. */
  declare news: string
  declare tick: number
  declare isRaw: boolean
  declare busy: boolean
  declare said: string
  declare trouble: string

  #event = new Loader<EventWithTimeline>(this, (id, signal) => this.#load(id, signal))

  constructor() {
    super()
    this.eventId = ''
    this.news = ''
    this.tick = 0
    this.isRaw = false
    this.busy = false
    this.said = ''
    this.trouble = ''
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('eventId')) {
      this.said = this.trouble = ''
      this.busy = false
      if (this.#event.valueKey !== this.eventId) this.#event.value = undefined
    }
    this.#event.want(this.eventId || null, this.news, this.tick)
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has('eventId')) return
    const dialog = this.renderRoot.querySelector('dialog')
    if (this.eventId && !dialog?.open) dialog?.showModal()
    if (!this.eventId && dialog?.open) dialog.close()
  }

  /** Loads the event. One that is shown already is loaded whole only when a look at its row says that it changed. */
  async #load(id: string, signal: AbortSignal): Promise<EventWithTimeline> {
    const { inbox } = this.desk
    const shown = this.#event.valueKey === id ? this.#event.value : undefined
    if (shown && !this.#mustLoad) {
      const wish = { event_id: id, body: 'preview', count: false } as const
      const { data, unstored } = await inbox.list(wish, { signal })
      const [row] = data
      // D1 could not be told of it in time: the next news say more.
      if (!row && unstored) return shown
      const isSame = (['status', 'updated_at', 'retry_count'] as const).every(
        (name) => row?.[name] === shown[name],
      )
      if (isSame) return shown
    }
    const event = await inbox.timeline(id, { signal })
    this.#mustLoad = false
    return event
  }

  #mustLoad = false

  override render() {
    const { error, isSlow } = this.#event
    // What was deleted meanwhile has nothing left to be done to.
    const isGone = error instanceof InboxError && error.code === 'EVENT_NOT_FOUND'
    const value = isGone ? undefined : this.#event.value
    return html`
      <dialog aria-labelledby="title" @close=${() => this.dispatchEvent(new Event('close'))}>
        <header>
          <h2 id="title">${this.eventId}</h2>
          <button class="plain" @click=${() => this.#copy('Link', location.href)}>Copy link</button>
          <form method="dialog"><button class="plain" aria-label="Close">✕</button></form>
        </header>
        <div class="body" tabindex="-1" autofocus>
          ${error === undefined ? nothing : alert(explain(error), this.#reload)}
          ${value ? this.#renderEvent(value) : error ? nothing : loading(isSlow)}
        </div>
        <footer>
          ${value ? this.#renderActions(value) : nothing}
          <span role="status" class="quiet">${this.said}</span>
          ${alert(this.trouble)}
        </footer>
      </dialog>
    `
  }

  #renderEvent(event: EventWithTimeline) {
    const { payload, metadata } = sourcesOf(event)
    const { desk } = this
    const source: unknown = event.metadata?.['source']
    const found = (name: string, value: string) =>
      link(desk, `inbox?${new URLSearchParams({ [name]: value })}`, visible(value))
    const [accepted] = event.timeline
    return html`
      <dl>
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
      ${timeline(event, this.#reload)}
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
          <button class="plain" aria-label="Copy ${name}" @click=${() => this.#copy(label, text)}>
            Copy
          </button>
        </div>
        <pre tabindex="0" role="region" aria-label=${label}>${visible(text)}</pre>
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

  #renderActions(event: EventWithTimeline) {
    const does = (action: Action, label: string, kind = '') =>
      html`<button class=${kind} ?disabled=${this.busy} @click=${() => this.#act(action)}>
        ${label}
      </button>`
    const canManage = this.desk.can('manage')
    const is = (status: string) => canManage && event.status === status
    return html`
      ${is('pending') ? html`${does('ack', 'Acknowledge', 'main')} ${does('nack', 'Nack …')}` : nothing}
      ${is('failed') ? does('retry', 'Retry', 'main') : nothing}
      <button @click=${() => this.#copy('Command', this.#curl(event))}>Copy as curl</button>
      ${canManage ? does('delete', 'Delete …', 'danger') : nothing}
    `
  }

  /** A command that sends the event once more, under an id of its own. It has no token in it. */
  #curl(event: EventWithTimeline): string {
    const { payload, metadata } = sourcesOf(event)
    const own = metadata === 'null' ? '' : `,"metadata":${compact(metadata)}`
    const body = `{"payload":${compact(payload)}${own}}`
    return [
      `curl -X POST '${this.desk.base.replaceAll("'", '%27')}/events'`,
      '-H "Authorization: Bearer $EVENT_INBOX_TOKEN"',
      "-H 'Content-Type: application/json'",
      `--data-raw '${body.replaceAll("'", String.raw`'\''`)}'`,
    ].join(' ')
  }

  #reload = (): void => {
    this.#mustLoad = true
    this.#event.again()
  }

  async #copy(what: string, text: string): Promise<void> {
    this.said = (await copyText(text)) ? `${what} copied.` : COPY_REFUSED
  }

  async #act(action: Action): Promise<void> {
    const { desk, eventId: id } = this
    const reply = await askFirst(desk, action, id)
    if (!reply) return
    this.busy = true
    this.trouble = this.said = ''
    try {
      await change(desk, action, id, reply)
      this.tellChange(action, [id])
      this.busy = false
      // Another event may be open by now.
      if (this.eventId !== id) return
      if (action === 'delete') this.dispatchEvent(new Event('close'))
      else this.#reload()
    } catch (error) {
      this.busy = false
      if (this.eventId === id) this.trouble = explainChange(error)
      else
        await desk.ask({
          title: `${id} was not changed`,
          text: explainChange(error),
          verb: 'Go on',
        })
    }
  }
}

customElements.define('inbox-detail', InboxDetail)
