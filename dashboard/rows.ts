import type { LitElement, ReactiveController } from 'lit'

/** The rows of an element: which of them are selected, and whether newer ones must wait for the reader's hand. */
export class Rows implements ReactiveController {
  /** The keys of those that are. */
  selected: ReadonlySet<string> = new Set()
  readonly #host: LitElement
  #isHolding = false

  constructor(host: LitElement) {
    this.#host = host
    host.addController(this)
  }

  hostConnected(): void {
    for (const type of ['focusout', 'pointerout']) this.#host.addEventListener(type, this.#letGo)
  }

  hostDisconnected(): void {
    for (const type of ['focusout', 'pointerout']) this.#host.removeEventListener(type, this.#letGo)
  }

  select(keys: Iterable<string>): void {
    this.selected = new Set(keys)
    this.#host.requestUpdate()
  }

  unselect(keys: readonly string[]): void {
    this.select([...this.selected].filter((key) => !keys.includes(key)))
  }

  toggle(key: string): void {
    if (this.selected.has(key)) this.unselect([key])
    else this.select([...this.selected, key])
  }

  /**
   * Whether newer rows must wait, as they would move, or change, what the reader is about to press.
   * @param shown what is seen of the rows that are there
   * @param waiting the same of the newer ones
   */
  mustWait(shown: unknown, waiting: unknown): boolean {
    const isSame = JSON.stringify(shown) === JSON.stringify(waiting)
    const mustWait = !isSame && (this.selected.size > 0 || this.#isHandNear)
    this.#isHolding ||= mustWait
    return mustWait
  }

  /**
   * Whether the mouse is among the rows or at the bar above them, or the focus among the rows. Where there is no mouse,
   * a finger is not seen before it touches: there it always may be near.
   */
  get #isHandNear(): boolean {
    if (matchMedia('(hover: none)').matches) return true
    const near = '.rows:hover, .bar:hover, .rows:focus-within'
    return this.#host.renderRoot.querySelector(near) !== null
  }

  /** Has newer rows shown once the hand is out of the way, which it may be after this event. */
  readonly #letGo = (): void => {
    if (!this.#isHolding) return
    setTimeout(() => {
      if (this.#isHandNear) return
      this.#isHolding = false
      this.#host.requestUpdate()
    })
  }
}
