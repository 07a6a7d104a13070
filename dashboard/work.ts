import { html, nothing } from 'lit'
import { keyed } from 'lit/directives/keyed.js'
import type { Outcome } from './actions'
import { copyText } from './clipboard'
import { alert, count, explainChange } from './format'

/** So many failures are shown; of the others only how many there are. */
const SHOWN = 3

/** Something that the reader does. */
interface Deed {
  action: string
  /** What it is done to, in words; empty where that is plain. */
  to: string
  /** The events that it is done to; null where nobody knows. */
  ids: readonly string[] | null
}

/** What a deed came to. */
interface Result {
  /** What was done; empty if nothing was. */
  said: unknown
  /** What was not, and why. */
  trouble?: string | undefined
  /** What the events became that were changed, as far as that is told. */
  outcomes?: ReadonlyMap<string, Outcome>
}

/**
 * What the reader does through the page: what is under way, what was done last, and what failed. Nothing is said to be
 * done before the service says so; and what failed stays in sight, whatever is done after it, or shown in the meantime.
 */
export class Work {
  /** The events that something is being done to; where nobody knows which, what is being done. */
  busy: ReadonlySet<string> = new Set()
  /** What became of events, and when that was known. */
  outcomes: ReadonlyMap<string, Outcome & { at: number }> = new Map()
  /** What was done last. */
  said: unknown = ''
  /** How often something was said: the same words twice are two messages. */
  #times = 0
  #failures: { deed: Deed; text: string }[] = []
  readonly #redraw: () => void
  readonly #changed: (action: string, ids: readonly string[] | null) => void

  /**
   * @param redraw is called when there is something else to be shown
   * @param changed is told of what was done to events
   */
  constructor(
    redraw: () => void,
    changed: (action: string, ids: readonly string[] | null) => void,
  ) {
    this.#redraw = redraw
    this.#changed = changed
  }

  /** Does something, and keeps what became of it. @returns whether any of it was done */
  async do(deed: Deed, work: () => Promise<Result>): Promise<boolean> {
    const keys = keysOf(deed)
    this.#forget(deed)
    this.busy = new Set([...this.busy, ...keys])
    this.say('')
    try {
      const { said, trouble, outcomes = new Map<string, Outcome>() } = await work()
      const at = Date.now()
      const known = [...outcomes].map(([id, outcome]) => [id, { ...outcome, at }] as const)
      this.outcomes = new Map([...this.outcomes, ...known])
      this.say(said)
      if (trouble) this.#fail(deed, trouble)
      if (said) this.#changed(deed.action, outcomes.size > 0 ? [...outcomes.keys()] : deed.ids)
      return Boolean(said)
    } catch (error) {
      this.#fail(deed, explainChange(error))
      return false
    } finally {
      this.busy = new Set([...this.busy].filter((key) => !keys.includes(key)))
      this.#redraw()
    }
  }

  /** Says what was done. */
  say(said: unknown): void {
    this.said = said
    this.#times++
    this.#redraw()
  }

  /** Copies a text, and says so. Browsers allow it on HTTPS and localhost only. */
  async copy(text: string, said: string): Promise<void> {
    const deed = { action: 'copy', to: '', ids: null }
    this.#forget(deed)
    const isCopied = await copyText(text)
    if (!isCopied)
      this.#fail(deed, 'The browser does not let this page copy. Select the text and copy it.')
    this.say(isCopied ? said : '')
  }

  /** What is done anew has not failed yet. */
  #forget({ action, ...deed }: Deed): void {
    const keys = keysOf({ action, ...deed })
    const isAnew = (other: Deed) =>
      other.action === action && keysOf(other).every((key) => keys.includes(key))
    this.#failures = this.#failures.filter((each) => !isAnew(each.deed))
  }

  #fail(deed: Deed, text: string): void {
    const { action, to } = deed
    const name = `${action.charAt(0).toUpperCase()}${action.slice(1)}`
    this.#failures = [
      { deed, text: `${[name, to].filter(Boolean).join(' ')}: ${text}` },
      ...this.#failures,
    ]
  }

  /** What was done, and what failed. */
  render() {
    const more = this.#failures.length - SHOWN
    const texts = this.#failures.slice(0, SHOWN).map(({ text }) => text)
    const dismiss = () => {
      this.#failures = []
      this.#redraw()
    }
    return html`
      ${texts.slice(0, -1).map((text) => alert(text))}
      ${alert([texts.at(-1), more > 0 && `And ${count(more)} more.`].filter(Boolean).join(' '), dismiss, 'Dismiss')}
      <div role="status">
        ${keyed(this.#times, this.said ? html`<p class="said">${this.said}</p>` : nothing)}
      </div>
    `
  }
}

const keysOf = ({ action, ids }: Deed) => ids ?? [action]
