import type { ReactiveControllerHost } from 'lit'
import { InboxError } from '../client/error.ts'
import type { Inbox } from '../client/inbox.ts'
import { baseOf, connect, keepToken, keptToken } from './connection'
import { explain } from './format'
import { Loader } from './loader'
import type { Desk, Scope } from './view'
import { Work } from './work'

/** What the page around gives to a session, beside its inbox and its token. */
interface Page extends Pick<Desk, 'href' | 'go' | 'ask'> {
  changed(action: string, ids: readonly string[] | null): void
}

/** Which inbox is used, by whom, and what they may do in it. */
export class Session {
  /** What the views are given: another one whenever they must be drawn anew. */
  desk: Desk | undefined
  /** Why the token in use is no good; there is no use in asking again with it. */
  refusal = ''
  /** Why the token may not read. It may write all the same. */
  blindness = ''
  /** Counts the inboxes and tokens that were in use: views of one never show another. */
  number = 0
  base = ''
  /** The token in use: that of the page, or that of the reader. */
  #token = ''
  #known: unknown
  readonly #host: ReactiveControllerHost
  readonly #page: Page
  readonly #who: Loader<Awaited<ReturnType<Inbox['whoami']>> | undefined>

  constructor(host: ReactiveControllerHost, page: Page) {
    this.#host = host
    this.#page = page
    this.#who = new Loader(host, async (_, signal) => this.desk?.inbox.whoami({ signal }))
  }

  /** Begins anew with an inbox, and the token of the page or the one that was typed for it. */
  begin(endpoint: string, token: string): void {
    this.number++
    this.refusal = this.blindness = ''
    try {
      this.base = baseOf(endpoint)
    } catch {
      this.base = ''
      this.refusal = `The endpoint is not a URL: ${endpoint}`
    }
    this.#token = this.base && (token || keptToken(this.base)).trim()
    this.#who.forget()
    const { href, go, ask } = this.#page
    const { number } = this
    const inbox = this.#speaker()
    // What ends later is none of the next one's.
    const changed: Page['changed'] = (action, ids) =>
      number === this.number && this.#page.changed(action, ids)
    const work = new Work(() => this.#drawAnew(), changed)
    const can = (scope: Scope) => this.can(scope)
    this.desk = inbox && { inbox, base: this.base, can, href, go, ask, work }
  }

  /** Keeps a token that was typed; an empty one is forgotten. */
  keep(token: string): void {
    keepToken(this.base, token)
  }

  /** Asks who has the token. @param tick changes whenever what failed in passing may be tried again */
  look(tick: unknown): void {
    this.#who.want(this.desk && !this.refusal ? this.#token : null, 0, tick)
    if (this.#known === this.#who.value) return
    this.#known = this.#who.value
    this.#drawAnew()
  }

  /** Takes down that a request was refused because of the token. @returns whether it was */
  takeDown(error: unknown): boolean {
    const code = error instanceof InboxError ? error.code : ''
    if (code === 'UNAUTHORIZED') this.refusal = explain(error)
    if (code === 'INSUFFICIENT_SCOPE') this.blindness = explain(error)
    return this.refusal !== '' || this.blindness !== ''
  }

  can(scope: Scope): boolean {
    const scopes: readonly string[] | undefined = this.#who.value?.scopes
    return scopes?.includes(scope) ?? false
  }

  /** The name of the token. */
  get name(): string {
    return this.#who.value?.name ?? ''
  }

  /** Whether it is not known yet what the token may do. */
  get isUnknown(): boolean {
    return this.#who.value === undefined && this.#who.error === undefined
  }

  /** Why it is not known what the token may do; undefined when it is. */
  get error(): unknown {
    return this.#who.error
  }

  /** Asks again who has the token. */
  lookAgain = (): void => this.#who.again()

  #drawAnew(): void {
    if (this.desk) this.desk = { ...this.desk }
    this.#host.requestUpdate()
  }

  /** Makes what speaks to the inbox. What no request can carry is refused, and never asked with. */
  #speaker(): Inbox | undefined {
    try {
      return this.#token ? connect(this.base, this.#token) : undefined
    } catch (error) {
      this.refusal = `No request can be made: ${error instanceof Error ? error.message : error}.`
      return undefined
    }
  }
}
