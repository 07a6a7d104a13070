import { css, html } from 'lit'
import { live } from 'lit/directives/live.js'
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
 */
export class InboxSend extends View {
  static override properties = {
    desk: { attribute: false },
    draft: { attribute: false },
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

  override render() {
    const wrong = {
      payload: complaint(this.draft.payload, false),
      metadata: complaint(this.draft.metadata, true),
    }
    const field = (name: 'payload' | 'metadata', label: string) => html`
      <div>
        <label for=${name}>${label}</label>
        <textarea
          id=${name}
          name=${name}
          spellcheck="false"
          aria-invalid=${wrong[name] ? 'true' : 'false'}
          aria-describedby="${name}-wrong"
          .value=${live(this.draft[name])}
          @input=${({ target }: InputEvent) => target instanceof HTMLTextAreaElement && this.#type(name, target.value)}
        ></textarea>
        <span class="wrong" id="${name}-wrong" aria-live="polite">${wrong[name]}</span>
      </div>
    `
    return html`
      <section class="panel" aria-labelledby="title">
        <h2 id="title">Send a test event</h2>
        <form @submit=${this.#send}>
          ${field('payload', 'Payload, a JSON object')}
          ${field('metadata', 'Metadata, a JSON object or empty')}
          <button
            class="main"
            ?disabled=${this.desk.work.busy.has('send') || Boolean(wrong.payload || wrong.metadata)}
          >
            Send
          </button>
        </form>
      </section>
    `
  }

  async #send(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const { desk } = this
    await desk.work.do({ action: 'send', to: '', ids: null }, async () => {
      // The text is sent as it was typed, because parsing it here would round its numbers.
      const { payload, metadata } = this.draft
      const sent = await desk.inbox.send(
        `{"payload":${payload},"metadata":${metadata.trim() || 'null'}}`,
      )
      const event_id = sent.event_id ?? ''
      const to = `inbox?${new URLSearchParams({ event: event_id })}`
      return {
        said: html`Accepted as ${link(desk, to, event_id)}.`,
        outcomes: new Map([[event_id, { status: 'pending' }]]),
      }
    })
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
