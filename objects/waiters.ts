import type { Candidates } from './candidates'
import type { News } from './store/places'

/** One who was woken has this long to claim; then another is woken too. */
const MAX_CLAIM_MS = 1_000

/** What a socket remembers while the object sleeps. */
interface Attachment {
  subscription: string
  waiter: string
  since: number
}

/** What a waiter is told: that something can be claimed, or when the next one can. */
export type WaiterMessage = { ready: true } | { next_ms: number }

/**
 * Wakes the requests that wait for events. They wait in the worker; each has a WebSocket to the shard, which may sleep
 * meanwhile. A wake is a hint: only a claim leases.
 */
export class Waiters {
  readonly #sockets: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>
  readonly #candidates: Candidates
  /** When those were woken who have not claimed since. */
  readonly #woken = new Map<WebSocket, number>()
  /** When each of those who wait will look again by itself; those that it does not name, never. */
  readonly #looksAt = new Map<WebSocket, number>()
  #check: ReturnType<typeof setTimeout> | undefined

  constructor(
    sockets: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>,
    candidates: Candidates,
  ) {
    this.#sockets = sockets
    this.#candidates = candidates
  }

  /**
   * Answers 200 when something can be claimed, else 101 with a socket that says when. `X-Next-Ms` says how long it is
   * until the next event that is known to come. Looking and waiting are one step: nothing comes in between.
   */
  wait(request: Request): Response {
    const { searchParams } = new URL(request.url)
    const [subscription, waiter] = [searchParams.get('subscription'), searchParams.get('waiter')]
    if (subscription === null || waiter === null) return new Response(null, { status: 400 })
    if (this.#candidates.hasReady(subscription)) return new Response(null, { status: 200 })
    const { 0: theirs, 1: own } = new WebSocketPair()
    this.#sockets.acceptWebSocket(own, [subscription])
    own.serializeAttachment({ subscription, waiter, since: Date.now() } satisfies Attachment)
    const next = this.#candidates.nextMs(subscription)
    if (next !== null) this.#looksAt.set(own, Date.now() + next)
    const headers: Record<string, string> = next === null ? {} : { 'X-Next-Ms': String(next) }
    return new Response(null, { status: 101, webSocket: theirs, headers })
  }

  /** Tells those who wait of what was just committed. */
  tell(news: Map<string, News>, now: number): void {
    for (const [subscription, { visible, nextAt }] of news) {
      if (visible > 0) this.#wake(subscription, visible)
      if (nextAt === Infinity) continue
      const wait = Math.max(1, nextAt - now)
      for (const socket of this.#sockets.getWebSockets(subscription)) {
        if ((this.#looksAt.get(socket) ?? Infinity) <= Date.now() + wait) continue
        this.#looksAt.set(socket, Date.now() + wait)
        send(socket, { next_ms: wait })
      }
    }
  }

  /** Notes that a waiter has claimed. If it goes on waiting, it can be woken again. */
  claimed(subscription: string, waiter: string): void {
    for (const socket of this.#sockets.getWebSockets(subscription))
      if (attachmentOf(socket).waiter === waiter) {
        this.#woken.delete(socket)
        this.#looksAt.delete(socket)
      }
  }

  /** Wakes another one in place of a waiter that left without a claim. */
  left(socket: WebSocket): void {
    const { subscription } = attachmentOf(socket)
    this.#looksAt.delete(socket)
    if (this.#woken.delete(socket) && this.#candidates.hasReady(subscription))
      this.#wake(subscription, 1)
  }

  /** Wakes up to `count` waiters, those first that have waited longest. @returns how many */
  #wake(subscription: string, count: number): number {
    const asleep = this.#sockets
      .getWebSockets(subscription)
      .filter((socket) => !this.#woken.has(socket))
      .toSorted((a, b) => attachmentOf(a).since - attachmentOf(b).since)
    for (const socket of asleep.slice(0, count)) {
      this.#woken.set(socket, Date.now())
      send(socket, { ready: true })
    }
    if (this.#woken.size > 0) this.#check ??= setTimeout(() => this.#passOn(), MAX_CLAIM_MS)
    return Math.min(count, asleep.length)
  }

  /** Wakes others in place of those who did not come. */
  #passOn(): void {
    this.#check = undefined
    const late = [...this.#woken].filter(([, at]) => Date.now() - at >= MAX_CLAIM_MS)
    const bySubscription = Map.groupBy(late, ([socket]) => attachmentOf(socket).subscription)
    for (const [subscription, sockets] of bySubscription) {
      const isReady = this.#candidates.hasReady(subscription)
      const others = isReady ? this.#wake(subscription, sockets.length) : 0
      for (const [socket] of sockets) this.#woken.delete(socket)
      // Where nobody else waits, those who did not come are told again.
      if (isReady && others < sockets.length) this.#wake(subscription, sockets.length - others)
    }
    if (this.#woken.size > 0) this.#check ??= setTimeout(() => this.#passOn(), MAX_CLAIM_MS)
  }
}

function send(socket: WebSocket, message: WaiterMessage): void {
  try {
    socket.send(JSON.stringify(message))
  } catch {
    // It is closing: what it was woken for is passed on.
  }
}

function attachmentOf(socket: WebSocket): Attachment {
  return socket.deserializeAttachment() as Attachment
}
