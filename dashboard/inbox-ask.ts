import { css, html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { styles } from './styles'
import { type Question, type Reply, View } from './view'

/** Asks the reader before something is done. `confirm` would do nothing in a sandboxed frame. */
export class AskDialog extends View {
  static override properties = { question: { state: true } }

  static override styles = [
    styles,
    css`
      dialog {
        width: min(30rem, calc(100vw - 2rem));
        padding: 1.25rem;
      }
      p {
        margin: 0 0 1rem;
        overflow-wrap: anywhere;
      }
      form {
        display: grid;
        gap: 0.75rem;
      }
      .row {
        justify-content: end;
      }
    `,
  ]

  declare question: Question | undefined
  #reply: (reply: Reply | null) => void = () => {}

  /** @returns null when the reader does not want it */
  ask = async (question: Question): Promise<Reply | null> => {
    this.#reply(null)
    this.question = question
    await this.updateComplete
    const dialog = this.renderRoot.querySelector('dialog')
    dialog?.showModal()
    return new Promise((resolve) => {
      this.#reply = resolve
    })
  }

  override render() {
    const { question } = this
    return html`
      <dialog aria-labelledby="title" @close=${() => this.#reply(null)}>
        ${
          question
            ? html`<form @submit=${this.#submit}>
                <h2 id="title">${question.title}</h2>
                <p>${question.text}</p>
                ${question.asksReason ? reasonFields() : nothing}
                <div class="row">
                  <button type="button" @click=${this.#close} ?autofocus=${!question.asksReason}>
                    Cancel
                  </button>
                  <button class=${question.isDangerous ? 'danger main' : 'main'}>
                    ${question.verb}
                  </button>
                </div>
              </form>`
            : nothing
        }
      </dialog>
    `
  }

  #submit(event: SubmitEvent): void {
    event.preventDefault()
    if (!(event.target instanceof HTMLFormElement)) return
    const given = new FormData(event.target)
    const delay = String(given.get('delay') ?? '')
    this.#reply({
      reason: String(given.get('reason') ?? '').trim(),
      delaySeconds: delay === '' ? null : Number(delay),
    })
    this.#close()
  }

  /** Asks no more; the reader does not want it. */
  dismiss = (): void => this.#close()

  #close = (): void => this.renderRoot.querySelector('dialog')?.close()
}

function reasonFields() {
  return html`
    <label
      >Reason
      <input
        name="reason"
        required
        pattern=".*\\S.*"
        maxlength="1000"
        .value=${live('')}
        autocomplete="off"
    /></label>
    <label
      >Again after, in seconds; empty as configured
      <input name="delay" type="number" min="0" max="604800" step="1" .value=${live('')}
    /></label>
  `
}

customElements.define('inbox-ask', AskDialog)
