import { css, html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { alert, explain } from './format'
import { styles } from './styles'
import { type Desk, link, View } from './view'

/** What was typed into the form of a test event, kept while other views are shown. */
export interface Draft {
  payload: string
  metadata: string
}

export const FIRST_DRAFT: Draft = {
  payload: '{\n  "order": 17,\n  "amount": 12.50\n}',
  metadata: '{"source": "dashboard"}',
}

/**
 * Sends a test event from a form.
 *
 * @fires inbox-change - after the event was accepted; `detail` is `{ action, ids }`
 */
export class InboxSend extends View {
  static override properties = {
    desk: { attribute: false },
    draft: { attribute: false },
    sent: { state: true },
    trouble: { state: true },
    busy: { state: true },
  }

  static override styles = [
    styles,
    css`
      form {
        display: grid;
        gap: 0.75rem;
        max-width: 44rem;
      }
      textarea {
        min-height: 7rem;
        resize: vertical;
      }
      .wrong {
        color: var(--failed);
        font-size: 0.85rem;
      }
    `,
  ]

  declare desk: Desk
  /** What is in the fields. It is changed as the reader types, and outlives this element. */
  declare draft: Draft
  /** The id of the event that was sent last. */
  declare sent: string
  declare trouble: string
  declare busy: boolean

  constructor() {
    super()
    this.sent = ''
    this.trouble = ''
    this.busy = false
  }

  override render() {
    const wrong = {
      payload: complaint(this.draft.payload, false),
      metadata: complaint(this.draft.metadata, true),
    }
    const field = (name: 'payload' | 'metadata', label: string) => html`
      <label
        >${label}
        <textarea
          name=${name}
          spellcheck="false"
          aria-invalid=${wrong[name] ? 'true' : 'false'}
          aria-describedby="${name}-wrong"
          .value=${live(this.draft[name])}
          @input=${({ target }: InputEvent) => target instanceof HTMLTextAreaElement && this.#type(name, target.value)}
        ></textarea>
        <span class="wrong" id="${name}-wrong" aria-live="polite">${wrong[name]}</span>
      </label>
    `
    return html`
      <section class="panel" aria-labelledby="title">
        <h2 id="title">Send a test event</h2>
        <form @submit=${this.#send}>
          ${field('payload', 'Payload, a JSON object')}
          ${field('metadata', 'Metadata, a JSON object or empty')}
          <div class="row">
            <button class="main" ?disabled=${this.busy || Boolean(wrong.payload || wrong.metadata)}>
              Send
            </button>
            <span role="status"
              >${this.sent ? html`Accepted as ${link(this.desk, `inbox?${new URLSearchParams({ event: this.sent })}`, this.sent)}.` : nothing}</span
            >
          </div>
        </form>
        ${alert(this.trouble)}
      </section>
    `
  }

  async #send(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    this.busy = true
    this.sent = ''
    this.trouble = ''
    try {
      // The text is sent as it was typed, because parsing it here would round its numbers.
      const { payload, metadata } = this.draft
      const { event_id } = await this.desk.inbox.send(
        `{"payload":${payload},"metadata":${metadata.trim() || 'null'}}`,
      )
      this.sent = event_id ?? ''
      this.tellChange('send', [this.sent])
    } catch (error) {
      this.trouble = explain(error)
    }
    this.busy = false
  }

  #type(name: keyof Draft, text: string): void {
    this.draft[name] = text
    this.requestUpdate()
  }
}

/** Says what is wrong with the text, in words; empty when nothing is. */
function complaint(text: string, mayBeEmpty: boolean): string {
  if (text.trim() === '') return mayBeEmpty ? '' : 'Type a JSON object.'
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? ''
      : 'This is JSON, but not an object: put it in { }.'
  } catch (error) {
    return error instanceof Error ? `No JSON yet: ${error.message}` : 'No JSON yet.'
  }
}

customElements.define('inbox-send', InboxSend)
