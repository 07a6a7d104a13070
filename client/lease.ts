import { InboxError } from './error.ts'
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
  left(): void
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

  /** Says what became of the event. It says nothing of one that was lost. */
  finish(outcome: Outcome): void {
    this.#lease.finish(this, outcome)
  }

  lose(): void {
    this.#lost.abort(new DOMException('The lease on this event was lost.', 'AbortError'))
  }
}

/** A lease: extends itself at a third of its time while an event has no outcome, and settles outcomes together. */
export class Lease {
  readonly open = new Map<string, Held>()
  /** Resolves once every event is settled or lost. */
  readonly over: Promise<unknown>
  readonly #inbox: Leases
  readonly #token: string
  readonly #seconds: number
  readonly #ears: Ears
  readonly #events = new Map<string, ClaimedEvent>()
  readonly #stop: AbortSignal
  /** Is aborted when no event is without an outcome any more. */
  readonly #done = new AbortController()
  #said: Said[] = []
  #isSettling = false
  #settled: Promise<void> = Promise.resolve()

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
    this.over = this.#extend()
      .catch((error) => ears.broken(error))
      .then(() => this.#settled)
  }

  finish({ event }: Held, outcome: Outcome): void {
    if (!this.open.delete(event.event_id)) return
    this.#said.push({ event, outcome })
    this.#leave()
    if (!this.#isSettling) this.#settled = this.#settle().catch((error) => this.#ears.broken(error))
  }

  #lose(held: Held): void {
    this.open.delete(held.event.event_id)
    held.lose()
    this.#ears.lost(held.event)
    this.#leave()
  }

  #leave(): void {
    if (this.open.size === 0) this.#done.abort()
    this.#ears.left()
  }

  async #extend(): Promise<void> {
    let pause = (this.#seconds * 1_000) / 3
    for (;;) {
      await sleep(pause, this.#done.signal)
      if (this.open.size === 0) return
      pause = (this.#seconds * 1_000) / 3
      try {
        const { event_ids } = await this.#inbox.extend(this.#token, this.#seconds, {
          signal: this.#done.signal,
        })
        this.#keep(new Set(event_ids))
      } catch (error) {
        if (this.#done.signal.aborted) return
        if (!(error instanceof InboxError)) throw error
        if (error.code === 'LEASE_LOST') this.#keep(new Set())
        else this.#ears.failed(error)
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
    try {
      while (this.#said.length > 0) {
        await sleep(SETTLE_LINGER_MS, this.#done.signal)
        await this.#say(this.#said.splice(0))
      }
    } finally {
      this.#isSettling = false
    }
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
    let patience = Infinity
    for (let failures = 0; ; failures++) {
      try {
        for (const { event_id, status } of await this.#inbox.settle(this.#token, settlement)) {
          const event = this.#events.get(event_id)
          if (event && (status === 'lost' || status === 'gone')) this.#ears.lost(event)
        }
        return
      } catch (error) {
        if (!(error instanceof InboxError)) throw error
        if (error.code === 'LEASE_LOST') return said.forEach(({ event }) => this.#ears.lost(event))
        this.#ears.failed(error)
        if (error.status > 0 && error.status < 500 && error.status !== 429) throw error
        if (this.#stop.aborted) patience = Math.min(patience, Date.now() + PATIENCE_MS)
        if (Date.now() > patience) throw error
        await sleep(pauseMs(failures))
      }
    }
  }
}
