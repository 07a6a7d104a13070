import { css, html, LitElement, nothing } from 'lit'
import { type Connection, postEvent } from './api'
import { alert, explain } from './format'
import { styles } from './styles'

/**
 * Sends a test event from a form.
 *
 * @fires inbox-change - after the event was accepted; `detail` is `{ action, ids }`
 */
export class InboxSend extends LitElement {
  static override properties = {
    connection: { attribute: false },
    payload: { state: true },
    metadata: { state: true },
    news: { state: true },
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

  declare connection: Connection
  declare payload: string
  declare metadata: string
  declare news: string
  declare trouble: string
  declare busy: boolean

  constructor() {
    super()
    this.payload = '{\n  "order": 17,\n  "amount": 12.50\n}'
    this.metadata = '{"source": "dashboard"}'
    this.news = ''
    this.trouble = ''
    this.busy = false
  }

  override render() {
    const wrong = {
      payload: complaint(this.payload, false),
      metadata: complaint(this.metadata, true),
    }
    const field = (name: 'payload' | 'metadata', label: string) => html`
      <label
        >${label}
        <textarea
          name=${name}
          spellcheck="false"
          aria-invalid=${wrong[name] ? 'true' : 'false'}
          aria-describedby="${name}-wrong"
          .value=${this[name]}
          @input=${({ target }: InputEvent) => target instanceof HTMLTextAreaElement && (this[name] = target.value)}
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
            <span role="status">${this.news || nothing}</span>
          </div>
        </form>
        ${alert(this.trouble)}
      </section>
    `
  }

  async #send(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    this.busy = true
    this.news = ''
    this.trouble = ''
    try {
      // The text is sent as it was typed, because parsing it here would round its numbers.
      const id = await postEvent(
        this.connection,
        `{"payload":${this.payload},"metadata":${this.metadata.trim() || 'null'}}`,
      )
      this.news = `Accepted as ${id}.`
      this.dispatchEvent(
        new CustomEvent('inbox-change', {
          detail: { action: 'send', ids: [id] },
          bubbles: true,
          composed: true,
        }),
      )
    } catch (error) {
      this.trouble = explain(error)
    }
    this.busy = false
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
