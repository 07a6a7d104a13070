import type { ReactiveController, ReactiveControllerHost } from 'lit'

const MAX_DELAY_SECONDS = 60
/** A timer takes no more than 2 ** 31 - 1 ms. */
const LONGEST_SECONDS = 86_400

/**
 * Repeats work while its element is on the page and the tab is visible, one run at a time.
 * After a failure it waits longer each time, up to MAX_DELAY_SECONDS.
 */
export class Poll implements ReactiveController {
  readonly #host: ReactiveControllerHost
  readonly #work: () => Promise<boolean>
  readonly #seconds: () => number
  #timer: ReturnType<typeof setTimeout> | undefined
  #connected = false
  #failures = 0
  #isRunning = false
  /** Whether somebody asked for another run while this one was under way. */
  #isAskedAgain = false

  /**
   * @param work resolves to whether it succeeded
   * @param seconds returns the time between two runs; with 0 it runs once
   */
  constructor(host: ReactiveControllerHost, work: () => Promise<boolean>, seconds: () => number) {
    this.#host = host
    this.#work = work
    this.#seconds = seconds
    host.addController(this)
  }

  /** The seconds it waits after the present failures, or 0 when there are none. */
  get backoffSeconds(): number {
    const seconds = this.#seconds()
    if (this.#failures === 0 || seconds <= 0) return 0
    const growing = Math.min(MAX_DELAY_SECONDS, Math.max(1, seconds) * 2 ** this.#failures)
    return Math.max(Math.min(seconds, LONGEST_SECONDS), growing)
  }

  hostConnected(): void {
    this.#connected = true
    document.addEventListener('visibilitychange', this.now)
    this.now()
  }

  hostDisconnected(): void {
    this.#connected = false
    document.removeEventListener('visibilitychange', this.now)
    clearTimeout(this.#timer)
  }

  /** Works at once, and forgets what failed before: it is about something else now. */
  anew(): void {
    this.#failures = 0
    this.now()
  }

  /** Works at once, or after the run that is under way; not while the tab is hidden. */
  now = (): void => {
    clearTimeout(this.#timer)
    this.#isAskedAgain = this.#isRunning
    if (this.#connected && !document.hidden && !this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    const succeeded = await this.#work()
    this.#isRunning = false
    this.#failures = succeeded ? 0 : this.#failures + 1
    this.#host.requestUpdate()
    clearTimeout(this.#timer)
    if (this.#isAskedAgain) return this.now()
    const delay = this.backoffSeconds || Math.min(this.#seconds(), LONGEST_SECONDS)
    if (this.#connected && !document.hidden && this.#seconds() > 0)
      this.#timer = setTimeout(this.now, delay * 1000)
  }
}
