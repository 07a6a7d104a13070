import { html, LitElement, nothing, type TemplateResult } from 'lit'
import type { Inbox } from '../client/inbox.ts'
import type { Work } from './work'

/** What a token may do. */
export type Scope = 'read' | 'write' | 'manage' | 'consume'

/** What the reader is asked before something is done. */
export interface Question {
  title: string
  /** What will happen, to what. */
  text: string
  /** What the button says that does it. */
  verb: string
  isDangerous?: boolean
  /** Asks for a reason, and when it shall be tried again. */
  asksReason?: boolean
}

/** What the reader said. */
export interface Reply {
  reason: string
  /** Null: as the subscription is configured. */
  delaySeconds: number | null
}

/** What all views are given: the inbox they speak to, and the ways to get elsewhere. */
export interface Desk {
  inbox: Inbox
  /** The URL of the inbox. */
  base: string
  /** Whether the token may do this. What it may not is not offered. */
  can(scope: Scope): boolean
  /** The address of a view and its query. */
  href(to: string): string
  go(to: string, options?: { replace?: boolean }): void
  /** Asks the reader before something is done. @returns null when the reader does not want it */
  ask(question: Question): Promise<Reply | null>
  /** What the reader does. */
  work: Work
}

/** An element of the dashboard. If it cannot be drawn it says so, instead of staying blank or half done. */
export abstract class View extends LitElement {
  protected override performUpdate(): void {
    const focused = this.shadowRoot?.activeElement
    try {
      super.performUpdate()
      if (focused) this.#keepFocus(focused)
    } catch (error) {
      console.error(error)
      const root = this.shadowRoot ?? this
      const alert = document.createElement('p')
      alert.setAttribute('role', 'alert')
      alert.textContent = `This part of the page cannot be shown. Reload the page. (${String(error)})`
      root.replaceChildren(alert)
    }
  }

  /** Takes the focus where nothing else is left to have it. */
  focusHome(): void {
    const find = (what: string) => this.renderRoot.querySelector<HTMLElement>(what)
    const home = find('.home') ?? find('h2')
    if (home && home.tabIndex < 0) home.tabIndex = -1
    home?.focus({ preventScroll: true })
  }

  /** What had the focus may be gone; the next key must not begin at the top of the page. */
  #keepFocus(focused: Element): void {
    const isLeft = document.activeElement !== document.body && !this.shadowRoot?.activeElement
    if (canHaveFocus(focused) || isLeft) return
    const inRow = focused.closest('tr')?.querySelector('a')
    if (inRow && canHaveFocus(inRow)) inRow.focus({ preventScroll: true })
    else this.focusHome()
  }
}

/** Whether nothing has the focus, or what has it is about to lose it: that is done when the page is drawn next. */
export function isFocusLost(): boolean {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element === null || element === document.body || !canHaveFocus(element)
}

const canHaveFocus = (element: Element) =>
  element.isConnected &&
  element.checkVisibility({ visibilityProperty: true }) &&
  !element.matches(':disabled') &&
  !element.closest('[inert]')

/** What a click on a link to another view does. The browser opens it by itself where another tab is asked for. */
export function follow(desk: Desk, to: string) {
  return (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    desk.go(to)
  }
}

/** A link to another view. */
export function link(
  desk: Desk,
  to: string,
  content: unknown,
  options: { label?: string; kind?: string; current?: boolean } = {},
): TemplateResult {
  return html`<a
    class=${options.kind || nothing}
    href=${desk.href(to)}
    aria-label=${options.label ?? nothing}
    aria-current=${options.current ? 'page' : nothing}
    @click=${follow(desk, to)}
    >${content}</a
  >`
}
