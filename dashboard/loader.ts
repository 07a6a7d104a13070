import type { ReactiveController, ReactiveControllerHost } from 'lit'
import { InboxError } from '../client/error.ts'

/** A wait is shown after this time. */
const SLOW_MS = 300

/**
 * Loads what an element shows, and loads it again when there is news. What it has stays until the new value is there. A
 * request that is under way is aborted only when something else is wanted.
 */
export class Loader<Value> implements ReactiveController {
  /** What was loaded last. */
  value: Value | undefined
  /** The key that `value` belongs to. */
  valueKey: string | undefined
  /** A newer value, which waits until the reader's hand is out of the way. */
  waiting: Value | undefined
  error: unknown
  isPending = false
  /** Whether the reader has been waiting for a while. */
  isSlow = false
  readonly #host: ReactiveControllerHost
  readonly #load: (key: string, signal: AbortSignal) => Promise<Value>
  readonly #isHeld: (value: Value, waiting: Value) => boolean
  #key: string | undefined
  #version: unknown
  #tick: unknown
  #running: AbortController | undefined

  /** @param isHeld says whether a newer value must wait, because it would move what the reader is about to press */
  constructor(
    host: ReactiveControllerHost,
    load: (key: string, signal: AbortSignal) => Promise<Value>,
    isHeld: (value: Value, waiting: Value) => boolean = () => false,
  ) {
    this.#host = host
    this.#load = load
    this.#isHeld = isHeld
    host.addController(this)
  }

  /**
   * Says what is wanted; an element calls it before each render.
   * @param key what it is. Null: nothing
   * @param version changes when there may be news of it; empty while that is not known
   * @param tick changes whenever what failed in passing may be tried again
   */
  want(key: string | null, version: unknown, tick: unknown = version): void {
    if (key === null) return this.forget()
    const isOther = key !== this.#key
    if (isOther) this.waiting = undefined
    // The first version that is heard of, while something is loaded already, is that of what is loaded.
    if (!isOther && this.#version === '') this.#version = version
    const isNews = version !== this.#version || (this.#mayPass && tick !== this.#tick)
    if (!isOther && (this.isPending || !isNews)) return
    this.#version = version
    this.#tick = tick
    void this.#run(key)
  }

  /** Whether it failed, and may well succeed by itself. */
  get #mayPass(): boolean {
    return this.error instanceof InboxError && this.error.isPassing
  }

  /** Loads once more. */
  again = (): void => {
    if (this.#key !== undefined) void this.#run(this.#key)
  }

  /** Shows the value that waits, if one does. */
  show = (): void => {
    if (this.waiting === undefined) return
    this.value = this.waiting
    this.waiting = undefined
    this.#host.requestUpdate()
  }

  forget(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#key = this.valueKey = undefined
    this.value = this.waiting = this.error = undefined
    this.isPending = this.isSlow = false
  }

  hostUpdate(): void {
    if (this.value === undefined || this.waiting === undefined) return
    if (!this.#isHeld(this.value, this.waiting)) this.show()
  }

  hostDisconnected(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#key = undefined
    this.isPending = this.isSlow = false
  }

  async #run(key: string): Promise<void> {
    this.#running?.abort()
    const running = new AbortController()
    this.#running = running
    if (key !== this.#key) this.error = undefined
    this.#key = key
    this.isPending = true
    const slow = setTimeout(() => {
      if (this.#running !== running) return
      this.isSlow = true
      this.#host.requestUpdate()
    }, SLOW_MS)
    let change: () => void
    try {
      const value = await this.#load(key, running.signal)
      change = () => {
        this.error = undefined
        this.waiting = value
        if (key !== this.valueKey || this.value === undefined) this.show()
        this.valueKey = key
      }
    } catch (error) {
      change = () => (this.error = error)
    }
    clearTimeout(slow)
    if (this.#running !== running) return
    this.isPending = this.isSlow = false
    change()
    this.#host.requestUpdate()
  }
}
