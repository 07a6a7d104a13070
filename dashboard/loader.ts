import { html, nothing, type ReactiveController, type ReactiveControllerHost } from 'lit'
import { InboxError } from '../client/error.ts'
import { alert, explain, loading } from './format'

interface Options<Value> {
  /** Says whether a newer value must wait, because it would move what the reader is about to press. */
  mustWait?: (value: Value, waiting: Value) => boolean
  /** Whether what was wanted before stays until what is wanted now is there. */
  keepsOld?: boolean
}

/**
 * Loads what an element shows, and loads it again when there is news. What it has stays until the new value is there. A
 * request that is under way is aborted only when something else is wanted.
 */
export class Loader<Value> implements ReactiveController {
  /** What was loaded last. */
  value: Value | undefined
  /** A newer value, which waits until the reader's hand is out of the way. */
  waiting: Value | undefined
  error: unknown
  readonly #host: ReactiveControllerHost
  readonly #load: (key: string, signal: AbortSignal) => Promise<Value>
  readonly #options: Options<Value>
  #key: string | undefined
  /** The key that `value` belongs to. */
  #valueKey: string | undefined
  #version: unknown
  #tick: unknown
  #running: AbortController | undefined
  #isAskedByReader = false

  constructor(
    host: ReactiveControllerHost,
    load: (key: string, signal: AbortSignal) => Promise<Value>,
    options: Options<Value> = {},
  ) {
    this.#host = host
    this.#load = load
    this.#options = options
    host.addController(this)
  }

  /**
   * Says what is wanted; an element calls it before each render.
   * @param key what it is. Null: nothing
   * @param version changes when there may be news of it
   * @param tick changes whenever what failed in passing may be tried again
   */
  want(key: string | null, version: unknown, tick: unknown = version): void {
    if (key === null) return this.forget()
    const isOther = key !== this.#key
    if (isOther) this.waiting = undefined
    if (isOther && !this.#options.keepsOld) this.value = undefined
    const isNews = version !== this.#version || (this.#mayPass && tick !== this.#tick)
    if (!isOther && (this.#running || !isNews)) return
    this.#version = version
    this.#tick = tick
    void this.#run(key)
  }

  /** Whether the value belongs to what was wanted before. */
  get isOld(): boolean {
    return this.value !== undefined && this.#valueKey !== this.#key
  }

  /** Whether the reader waits for it, as for what was asked for by hand. */
  get isAwaited(): boolean {
    const isMissing = this.value === undefined || this.isOld
    return this.#running !== undefined && (isMissing || this.#isAskedByReader)
  }

  /** Whether it failed, and may well succeed by itself. */
  get #mayPass(): boolean {
    return this.error instanceof InboxError && this.error.isPassing
  }

  /** Draws the value, or that it is on its way, or why it did not come. A trouble with newer values stands below. */
  render(draw: (value: Value) => unknown): unknown {
    const { value, error } = this
    const trouble = error === undefined ? nothing : alert(explain(error), this.again)
    if (value !== undefined && !(this.isOld && error !== undefined))
      return html`${draw(value)}
        <div class="last">${trouble}</div>`
    return error === undefined ? loading() : trouble
  }

  /** Loads once more, because the reader asked for it. */
  again = (): void => {
    if (this.#key === undefined) return
    this.#isAskedByReader = true
    void this.#run(this.#key)
    this.#host.requestUpdate()
  }

  /** Shows the value that waits, if one does. */
  show = (): void => {
    if (this.waiting === undefined) return
    this.value = this.waiting
    this.waiting = undefined
    this.#host.requestUpdate()
  }

  forget(): void {
    this.hostDisconnected()
    this.#valueKey = undefined
    this.value = this.waiting = this.error = undefined
  }

  hostUpdate(): void {
    if (this.value === undefined || this.waiting === undefined) return
    if (!this.#options.mustWait?.(this.value, this.waiting)) this.show()
  }

  hostDisconnected(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#key = undefined
    this.#isAskedByReader = false
  }

  async #run(key: string): Promise<void> {
    this.#running?.abort()
    const running = new AbortController()
    this.#running = running
    if (key !== this.#key) this.error = undefined
    this.#key = key
    let change: () => void
    try {
      const value = await this.#load(key, running.signal)
      change = () => {
        this.error = undefined
        this.waiting = value
        if (key !== this.#valueKey || this.value === undefined) this.show()
        this.#valueKey = key
      }
    } catch (error) {
      change = () => (this.error = error)
    }
    if (this.#running !== running) return
    this.#running = undefined
    this.#isAskedByReader = false
    change()
    this.#host.requestUpdate()
  }
}
