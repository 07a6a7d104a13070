import { InboxError } from './error.ts'
import { TIMEOUT_MS } from './http.ts'
import { pauseMs, sleep } from './pause.ts'
import type { ClaimedEvent, Leases, Settlement } from './types.ts'

/** Outcomes wait this long for others of the same lease, so that they share a request. */
const SETTLE_LINGER_MS = 50
/** An extend that failed is tried again after this time. */
const EXTEND_AGAIN_MS = 5_000
/** After the stop, an inbox that does not answer is waited for this long. The leases end by themselves. */
const PATIENCE_MS = 10_000
/** The inbox cuts off the rest. */
const REASON_LENGTH = 1_000

/** What becomes of an event. */
export type Outcome =
  | { how: 'ack' | 'release' }
  | { how: 'nack'; error: string; delay_seconds?: number }

/** How an event leaves its place. */
export type Left = Outcome['how'] | 'lost'

interface Said {
  event: ClaimedEvent
  outcome: Outcome
}

/** Who hears what goes on. */
export interface Ears {
  /** A request failed, and is repeated. */
  failed(error: InboxError): void
  /** Somebody else has the event, or it is gone. */
  lost(event: ClaimedEvent): void
  /** Nothing of this kind works any more: the token is refused, say. */
  broken(error: unknown): void
  /** An event has left: its place is free. */
  left(how: Left): void
}

/** An event that is held until it has an outcome, or is lost. */
export class Held {
  readonly #lost = new AbortController()
  readonly event: ClaimedEvent
  readonly #lease: Lease
  hasBegun = false

  constructor(event: ClaimedEvent, lease: Lease) {
    this.event = event
    this.#lease = lease
  }

  /** Is aborted when somebody else has the event. */
  get signal(): AbortSignal {
    return this.#lost.signal
  }

  get isOpen(): boolean {
    return this.#lease.open.has(this.event.event_id)
  }

  /** Says what became of the event, and frees its place. It says nothing of one that was lost. */
  finish(outcome: Outcome): void {
    this.#lease.finish(this, outcome)
  }

  lose(): void {
    this.#lost.abort(new DOMException('The lease on this event was lost.', 'AbortError'))
  }
}

/** A lease: extends itself at a third of its time until its events are settled, and settles outcomes together. */
export class Lease {
  readonly open = new Map<string, Held>()
  /** Resolves once every event is settled or lost, and has left its place. */
  readonly over: Promise<void>
  #resolveOver = () => {}
  readonly #inbox: Leases
  readonly #token: string
  readonly #seconds: number
  readonly #ears: Ears
  readonly #events = new Map<string, ClaimedEvent>()
  readonly #stop: AbortSignal
  /** Is aborted when no event is without an outcome any more: there is nothing to linger for. */
  readonly #known = new AbortController()
  /** Is aborted when the inbox knows all outcomes, or is not told any more: there is nothing to extend. */
  readonly #settled = new AbortController()
  #unsettled: number
  /** How many events have a place: their handlers may go on when they are lost. */
  #placed: number
  #said: Said[] = []
  #isSettling = false

  constructor(
    inbox: Leases,
    token: string,
    seconds: number,
    events: ClaimedEvent[],
    ears: Ears,
    stop: AbortSignal,
  ) {
    this.#inbox = inbox
    this.#token = token
    this.#seconds = seconds
    this.#ears = ears
    this.#stop = stop
    for (const event of events) {
      this.open.set(event.event_id, new Held(event, this))
      this.#events.set(event.event_id, event)
    }
    this.#unsettled = this.#placed = events.length
    this.over = new Promise((resolve) => (this.#resolveOver = resolve))
    this.#extend().catch((error) => ears.broken(error))
  }

  finish({ event }: Held, outcome: Outcome): void {
    if (this.open.delete(event.event_id)) {
      this.#said.push({ event, outcome })
      if (!this.#isSettling) void this.#settle()
    }
    this.#leave(outcome.how)
  }

  #lose(held: Held): void {
    this.open.delete(held.event.event_id)
    this.#unsettled--
    held.lose()
    this.#ears.lost(held.event)
    // A handler that has begun keeps its place until it ends.
    if (held.hasBegun) this.#look()
    else this.#leave('lost')
  }

  #leave(how: Left): void {
    this.#placed--
    this.#look()
    this.#ears.left(how)
  }

  /** Looks what is over. */
  #look(): void {
    if (this.open.size === 0) this.#known.abort()
    if (this.#unsettled > 0) return
    this.#settled.abort()
    if (this.#placed === 0) this.#resolveOver()
  }

  async #extend(): Promise<void> {
    const { signal } = this.#settled
    const third = (this.#seconds * 1_000) / 3
    for (let pause = third; ;) {
      await sleep(pause, signal)
      if (signal.aborted) return
      pause = third
      try {
        const timeoutMs = Math.min(third, TIMEOUT_MS)
        const options = { signal, timeoutMs }
        const { event_ids } = await this.#inbox.extend(this.#token, this.#seconds, options)
        this.#keep(new Set(event_ids))
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof InboxError)) throw error
        if (error.code === 'LEASE_LOST') return this.#keep(new Set())
        this.#ears.failed(error)
        pause = Math.min(pause, EXTEND_AGAIN_MS)
      }
    }
  }

  /** Loses the events that are not among those which the lease still holds. */
  #keep(ids: Set<string>): void {
    for (const held of this.open.values()) if (!ids.has(held.event.event_id)) this.#lose(held)
  }

  async #settle(): Promise<void> {
    this.#isSettling = true
    while (this.#said.length > 0) {
      await sleep(SETTLE_LINGER_MS, this.#known.signal)
      const said = this.#said.splice(0)
      await this.#say(said).catch((error) => this.#ears.broken(error))
      this.#unsettled -= said.length
      this.#look()
    }
    this.#isSettling = false
  }

  /** Settles, for as long as it takes: the inbox may take it also when the lease is over. */
  async #say(said: Said[]): Promise<void> {
    const settlement: Settlement = { ack: [], nack: [], release: [] }
    for (const { event, outcome } of said) {
      const { event_id } = event
      if (outcome.how !== 'nack') settlement[outcome.how]?.push(event_id)
      else {
        const { how: _, error, ...rest } = outcome
        settlement.nack?.push({ event_id, error: error.slice(0, REASON_LENGTH), ...rest })
      }
    }
    const { signal, end } = patienceAfter(this.#stop)
    try {
      for (let failures = 0; ; failures++) {
        try {
          const results = await this.#inbox.settle(this.#token, settlement, { signal })
          for (const { event_id, status } of results) {
            const event = this.#events.get(event_id)
            if (event && (status === 'lost' || status === 'gone')) this.#ears.lost(event)
          }
          return
        } catch (error) {
          if (!(error instanceof InboxError)) throw error
          if (error.code === 'LEASE_LOST')
            return said.forEach(({ event }) => this.#ears.lost(event))
          this.#ears.failed(error)
          if (signal.aborted) throw error
          if (error.status > 0 && error.status < 500 && error.status !== 429) throw error
          await sleep(pauseMs(failures), signal)
        }
      }
    } finally {
      end()
    }
  }
}

/** Makes a signal that is aborted some time after the stop, with the error that is thrown then. */
function patienceAfter(stop: AbortSignal): { signal: AbortSignal; end: () => void } {
  const patience = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const detail = `There was none within ${PATIENCE_MS} ms of the stop.`
  const give = () => patience.abort(new InboxError(0, { code: 'NO_ANSWER', detail }))
  const begin = () => void (timer = setTimeout(give, PATIENCE_MS))
  if (stop.aborted) begin()
  else stop.addEventListener('abort', begin)
  const end = () => {
    clearTimeout(timer)
    stop.removeEventListener('abort', begin)
  }
  return { signal: patience.signal, end }
}
