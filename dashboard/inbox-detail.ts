import { Task } from '@lit/task'
import { css, html, LitElement, nothing, type PropertyValues } from 'lit'
import { type Action, type Connection, fetchEvent } from './api'
import { COPY_REFUSED, copyText } from './clipboard'
import { alert, badge, count, explain, time } from './format'
import { styles } from './styles'

/**
 * Shows one whole event in a dialog.
 *
 * @fires inbox-action - the reader wants something done; `detail` is `{ action, id }`
 * @fires close - the dialog was closed
 */
export class InboxDetail extends LitElement {
  static override properties = {
    connection: { attribute: false },
    eventId: { attribute: false },
    version: { attribute: false },
    copied: { state: true },
  }

  static override styles = [
    styles,
    css`
      dialog {
        width: min(48rem, calc(100vw - 2rem));
        max-height: calc(100vh - 2rem);
        padding: 1.25rem;
        border: 1px solid var(--border);
        border-radius: 0.7rem;
        background: var(--surface);
        color: inherit;
      }
      dialog::backdrop {
        background: rgb(10 14 22 / 55%);
      }
      header {
        display: flex;
        justify-content: space-between;
        gap: 1rem;
      }
      h2 {
        overflow-wrap: anywhere;
      }
      dl {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr);
        gap: 0.25rem 1rem;
        margin: 0 0 1rem;
      }
      dt {
        color: var(--quiet);
      }
      dd {
        margin: 0;
      }
      pre {
        overflow: auto;
        max-height: 18rem;
        margin: 0 0 1rem;
        padding: 0.75rem;
        border: 1px solid var(--border);
        border-radius: 0.4rem;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
    `,
  ]

  declare connection: Connection
  /** The id of the event to show; empty closes the dialog. */
  declare eventId: string
  /** A number that rises when the event may have changed. */
  declare version: number
  declare copied: string

  #event = new Task(this, {
    args: () => [this.connection, this.eventId, this.version] as const,
    task: async ([connection, id], { signal }) =>
      id ? fetchEvent(connection, id, signal) : undefined,
  })

  constructor() {
    super()
    this.eventId = ''
    this.version = 0
    this.copied = ''
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('eventId')) return
    this.copied = ''
    const dialog = this.renderRoot.querySelector('dialog')
    if (this.eventId && !dialog?.open) dialog?.showModal()
    if (!this.eventId && dialog?.open) dialog.close()
  }

  override render() {
    return html`
      <dialog aria-labelledby="title" @close=${() => this.dispatchEvent(new Event('close'))}>
        <header>
          <h2 id="title">${this.eventId}</h2>
          <form method="dialog"><button aria-label="Close">✕</button></form>
        </header>
        ${this.#event.render({
          pending: () => html`<p role="status">Loading …</p>`,
          error: (error) => alert(explain(error), () => void this.#event.run()),
          complete: (event) => (event ? this.#renderEvent(event) : nothing),
        })}
      </dialog>
    `
  }

  #renderEvent(event: Awaited<ReturnType<typeof fetchEvent>>) {
    const does = (action: Action, label: string, kind = '') =>
      html`<button class=${kind} @click=${() => this.#ask(action)}>${label}</button>`
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
      </dl>
      ${this.#renderJson('Payload', event.payloadText)}
      ${this.#renderJson('Metadata', event.metadataText)}
      <div class="row">
        ${event.status === 'pending' ? html`${does('ack', 'Acknowledge', 'main')} ${does('nack', 'Nack')}` : nothing}
        ${event.status === 'failed' ? does('retry', 'Retry', 'main') : nothing}
        ${does('delete', 'Delete …', 'danger')}
        <span role="status" class="quiet">${this.copied}</span>
      </div>
    `
  }

  #renderJson(label: string, text: string) {
    const copy = async () => {
      this.copied = (await copyText(text)) ? `${label} copied.` : COPY_REFUSED
    }
    return html`
      <div class="row">
        <h3>${label}</h3>
        <button @click=${copy} aria-label="Copy ${label.toLowerCase()}">Copy</button>
      </div>
      <pre tabindex="0" aria-label=${label}>${text}</pre>
    `
  }

  #ask(action: Action): void {
    this.dispatchEvent(new CustomEvent('inbox-action', { detail: { action, id: this.eventId } }))
  }
}

customElements.define('inbox-detail', InboxDetail)
