import { html, LitElement, nothing, type TemplateResult } from 'lit'
import type { Inbox } from '../client/inbox.ts'

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
}

/** An element of the dashboard. If it cannot be drawn it says so, instead of staying blank or half done. */
export abstract class View extends LitElement {
  protected override performUpdate(): void {
    try {
      super.performUpdate()
    } catch (error) {
      console.error(error)
      const root = this.shadowRoot ?? this
      const alert = document.createElement('p')
      alert.setAttribute('role', 'alert')
      alert.textContent = `This part of the page cannot be shown. Reload the page. (${String(error)})`
      root.replaceChildren(alert)
    }
  }

  /** Tells the page around that something was changed. */
  protected tellChange(action: string, ids: readonly string[] | null): void {
    const detail = { action, ids }
    this.dispatchEvent(new CustomEvent('inbox-change', { detail, bubbles: true, composed: true }))
  }
}

/** Whether the mouse is among rows or at the bar above them, or the focus among rows. */
export function isNearRows(root: ParentNode): boolean {
  return root.querySelector('.rows:hover, .bar:hover, .rows:focus-within') !== null
}

/** A link to another view. The browser opens it by itself where another tab or window is asked for. */
export function link(
  desk: Desk,
  to: string,
  content: unknown,
  options: { label?: string; kind?: string; current?: boolean } = {},
): TemplateResult {
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    desk.go(to)
  }
  return html`<a
    class=${options.kind || nothing}
    href=${desk.href(to)}
    aria-label=${options.label ?? nothing}
    aria-current=${options.current ? 'page' : nothing}
    @click=${follow}
    >${content}</a
  >`
}
