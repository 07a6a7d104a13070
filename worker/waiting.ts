import type { Claimed, ClaimRequest } from '../shared/claim'
import type { Shard } from './shards'

/**
 * This module lets a request wait for events. It waits here and not in the shards, which may sleep meanwhile: each
 * shard has a WebSocket by which it says that something can be claimed. That is a hint; only a claim leases.
 */

/** A shard that has nothing after all, or cannot be listened to, is asked again after this time, then twice it. */
const FIRST_PAUSE_MS = 25
const MAX_PAUSE_MS = 1_000

/** What is known of one shard while a request waits. Times are milliseconds since 1970; Infinity is never. */
interface Listener {
  index: number
  shard: Shard
  socket: WebSocket | null
  /** When to claim, and when to begin to listen. */
  claimAt: number
  listenAt: number
  pauseMs: number
}

type Claim = (shard: Shard | undefined, claim: ClaimRequest) => Promise<Claimed | null>

/** Waits until some shard gives out events, or the deadline. @returns null when none did */
export async function waitForEvents(
  shards: Shard[],
  claim: ClaimRequest,
  deadline: number,
  claimFrom: Claim,
): Promise<{ index: number; claimed: Claimed } | null> {
  const waiter = crypto.randomUUID()
  const query = new URLSearchParams({ subscription: claim.subscription, waiter })
  const bell = new Bell()
  const listeners = shards.map(newListener)
  try {
    for (;;) {
      for (const listener of listeners) {
        if (listener.listenAt > Date.now()) continue
        listener.listenAt = Infinity
        void listen(listener, `https://shard/?${query}`, bell)
      }
      if (Date.now() >= deadline) return null
      const due = listeners.find(({ claimAt }) => claimAt <= Date.now())
      if (due) {
        due.claimAt = Infinity
        const claimed = await claimFrom(due.shard, { ...claim, waiter })
        if (claimed && claimed.events.length > 0) return { index: due.index, claimed }
        if (!due.socket) pause(due)
        // It may have leased something: a repeat is told what.
        else if (!claimed) due.claimAt = Date.now() + nextPause(due)
        else if (claimed.next_ms !== null)
          due.claimAt = Math.min(due.claimAt, Date.now() + claimed.next_ms)
        // Where others are always quicker, this one does not ask without end.
        else if (due.claimAt <= Date.now()) due.claimAt = Date.now() + FIRST_PAUSE_MS
        continue
      }
      const times = listeners.flatMap(({ claimAt, listenAt }) => [claimAt, listenAt])
      await bell.rings(Math.min(deadline, ...times) - Date.now())
    }
  } finally {
    bell.isOver = true
    for (const { socket } of listeners) socket?.close(1000)
  }
}

function newListener(shard: Shard, index: number): Listener {
  return { index, shard, socket: null, claimAt: Infinity, listenAt: 0, pauseMs: FIRST_PAUSE_MS }
}

/** Listens to a shard, unless it has something that can be claimed at once. */
async function listen(listener: Listener, url: string, bell: Bell): Promise<void> {
  try {
    const answer = await listener.shard.fetch(url, { headers: { Upgrade: 'websocket' } })
    const { webSocket: socket } = answer
    if (!socket) {
      listener.claimAt = 0
      return bell.ring()
    }
    socket.accept()
    if (bell.isOver) return socket.close(1000)
    const next = answer.headers.get('X-Next-Ms')
    listener.claimAt = next === null ? Infinity : Date.now() + Number(next)
    listener.pauseMs = FIRST_PAUSE_MS
    listener.socket = socket
    socket.addEventListener('message', ({ data }) => {
      const said = JSON.parse(String(data)) as { ready?: true; next_ms?: number }
      const at = said.ready ? 0 : Date.now() + (said.next_ms ?? 0)
      listener.claimAt = Math.min(listener.claimAt, at)
      bell.ring()
    })
    const lost = () => {
      listener.socket = null
      pause(listener)
      bell.ring()
    }
    socket.addEventListener('close', lost)
    socket.addEventListener('error', lost)
  } catch {
    // A shard that is away, or of a version that nobody can wait for.
    pause(listener)
  }
  bell.ring()
}

/** Puts off listening to a shard, each time for longer. */
function pause(listener: Listener): void {
  listener.listenAt = Date.now() + nextPause(listener)
}

function nextPause(listener: Listener): number {
  const { pauseMs } = listener
  listener.pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)
  return pauseMs
}

/** Wakes the one who waits for it. A ring that nobody waits for is forgotten. */
class Bell {
  isOver = false
  #wake: () => void = () => {}

  ring(): void {
    this.#wake()
  }

  /** Resolves at the next ring, or after so many milliseconds. */
  async rings(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, Math.max(0, milliseconds))
    await promise
    clearTimeout(timer)
  }
}
