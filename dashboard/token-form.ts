import { html, nothing } from 'lit'
import { alert } from './format'

/**
 * Asks for the token of an inbox.
 * @param refusal why the one in use is no good; empty when there is none
 * @param base the URL of the inbox; empty when there is no such URL, and then nothing is asked
 * @param use is given what was typed
 */
export function tokenForm(refusal: string, base: string, use: (token: string) => void) {
  const signIn = (event: SubmitEvent) => {
    event.preventDefault()
    if (!(event.target instanceof HTMLFormElement)) return
    const token = new FormData(event.target).get('token')
    if (typeof token === 'string') use(token)
  }
  const form = html`
    <form @submit=${signIn}>
      <label
        >API token <input class="home" name="token" type="password" required autocomplete="off"
      /></label>
      <button class="main">Show the inbox</button>
    </form>
    <p class="quiet">
      It is kept for this browser session only, and sent to <code>${base}</code> alone.
    </p>
  `
  return html`
    <section class="panel access" aria-label="Access">
      <h2>Sign in</h2>
      ${alert(refusal)} ${base ? form : nothing}
    </section>
  `
}
