import type { ReactiveController, ReactiveControllerHost } from 'lit'

/**
 * Keeps what an element shows in the address, so that Back, a reload and a link show the same: `#/inbox?status=failed`.
 * An element with a name has its own part of the hash, `#ops/inbox`; parts are separated by semicolons. With the name
 * `none` it leaves the address alone.
 */
export class Route implements ReactiveController {
  /** What is shown: a view, and its query string after a question mark. */
  to = ''
  readonly #host: ReactiveControllerHost
  readonly #name: () => string

  constructor(host: ReactiveControllerHost, name: () => string) {
    this.#host = host
    this.#name = name
    host.addController(this)
  }

  hostConnected(): void {
    addEventListener('popstate', this.read)
    addEventListener('hashchange', this.read)
    this.read()
  }

  hostDisconnected(): void {
    removeEventListener('popstate', this.read)
    removeEventListener('hashchange', this.read)
  }

  /** Takes over what the address says. */
  read = (): void => {
    if (this.#isApart) return
    const parts = partsOf(location.hash)
    const own = parts.find((part) => part.startsWith(this.#prefix)) ?? ''
    // An anchor of the page around is none of ours.
    if (!own && parts.length > 0 && !parts.some((part) => part.includes('/'))) return
    const to = canonical(own.slice(this.#prefix.length))
    if (to === this.to) return
    this.to = to
    this.#host.requestUpdate()
  }

  /** The address of what this element could show; `#` if it leaves the address alone. */
  href(to: string): string {
    if (this.#isApart) return '#'
    const others = partsOf(location.hash).filter((part) => !part.startsWith(this.#prefix))
    const hash = `#${[`${this.#prefix}${to}`, ...others].join(';')}`
    // By itself, a hash would be one of the page's base.
    return new URL(hash, location.href).href
  }

  /** Shows something else. With `replace`, Back does not lead to what was shown before. */
  go(to: string, { replace = false } = {}): void {
    const next = canonical(to)
    if (next === this.to) return
    const from = this.to
    this.to = next
    this.#host.requestUpdate()
    if (this.#isApart) return
    try {
      if (replace) history.replaceState(history.state, '', this.href(next))
      else history.pushState({ eventInboxCameFrom: from }, '', this.href(next))
    } catch {
      // A sandboxed frame may have no address to change.
    }
  }

  /** Goes back to what was shown before this, where the reader came from there; otherwise that takes its place. */
  leave(to: string): void {
    const cameFrom: unknown = Object(history.state).eventInboxCameFrom
    if (!this.#isApart && cameFrom === canonical(to)) history.back()
    else this.go(to, { replace: true })
  }

  get #isApart(): boolean {
    return this.#name() === 'none'
  }

  get #prefix(): string {
    return `${encodeURIComponent(this.#name())}/`
  }
}

const partsOf = (hash: string) => hash.replace(/^#/, '').split(';').filter(Boolean)

/** A view, and its query string. */
export function viewOf(to: string): [view: string, query: string] {
  const at = to.indexOf('?')
  return at < 0 ? [to, ''] : [to.slice(0, at), to.slice(at + 1)]
}

/** The same view, as this page writes it: an address may have been typed, or come from elsewhere. */
function canonical(to: string): string {
  const [view, query] = viewOf(to)
  return query ? `${view}?${new URLSearchParams(query)}` : view
}
