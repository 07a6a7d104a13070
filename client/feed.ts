import { InboxError } from './error.ts'
import { type Ears, type Held, Lease, type Left } from './lease.ts'
import { pauseMs, sleep } from './pause.ts'
import type { ClaimedEvent, Leases } from './types.ts'

/** A lease is long enough for several extends to fail. */
const LEASE_SECONDS = 120
const WAIT_SECONDS = 20
/** A few free places wait this long for others, so that a claim is worth its request. */
const CLAIM_LINGER_MS = 50
const CLAIM_EVENTS = 100
/** After the stop, a claim that was just sent may have its answer on the way. One that waits is not waited for. */
const LAST_CLAIM_MS = 250
/** Nobody answers that there is nothing sooner than this, as the claim waits. */
const EMPTY_TOO_SOON_MS = 500

export interface ConsumeOptions {
  /** Whose events. @default 'inbox' */
  subscription?: string | undefined
  /** How many events it may hold at once. @default 1 */
  concurrency?: number | undefined
  /** Stops it: what is under way is finished, what has not begun is released, and nothing more is claimed. */
  signal?: AbortSignal | undefined
  /** The name of this consumer, for those who look in. */
  consumer?: string | undefined
  /** How long events are leased at a time; that is extended while they are worked on. @default 120 */
  leaseSeconds?: number | undefined
  /** How long a claim waits for events. @default 20 */
  waitSeconds?: number | undefined
  /** Is told of an event that somebody else has got, or that is gone. What it throws ends everything. */
  onLost?: ((event: ClaimedEvent) => void) | undefined
  /** Is told of requests that failed and are repeated. What it throws ends everything. */
  onError?: ((error: InboxError) => void) | undefined
}

/**
 * Claims events for as many places as there are, and hands each over by `take`. It resolves when it was stopped,
 * every event has left its place, and everything is settled.
 * @throws InboxError when the inbox refuses what it asks for, such as the token; when what answers is no inbox; or
 * when an outcome could not be settled after the stop. What a listener throws is thrown, too
 */
export async function feed(
  inbox: Leases,
  options: ConsumeOptions,
  take: (held: Held) => void,
): Promise<void> {
  const {
    subscription = 'inbox',
    concurrency = 1,
    leaseSeconds = LEASE_SECONDS,
    waitSeconds = WAIT_SECONDS,
    signal,
    consumer,
  } = options
  if (!(concurrency >= 1)) throw new RangeError('concurrency must be a number from 1 on')
  const stop = new AbortController()
  const halt = () => stop.abort()
  if (signal?.aborted) halt()
  signal?.addEventListener('abort', halt)

  const leases = new Set<Lease>()
  let free = concurrency
  let changed = new AbortController()
  /** What left since the last claim. */
  let gone: Left[] = []
  const failures: unknown[] = []
  const broken = (error: unknown) => {
    failures.push(error)
    halt()
  }
  const guarded = async (tell: () => unknown) => {
    try {
      await tell()
    } catch (error) {
      broken(error)
    }
  }
  const ears: Ears = {
    failed: (error) => void guarded(() => options.onError?.(error)),
    lost: (event) => void guarded(() => options.onLost?.(event)),
    broken,
    left: (how) => {
      gone.push(how)
      free++
      changed.abort()
      changed = new AbortController()
    },
  }

  /** Waits until half of the places are free, or some have been for a moment. */
  async function room(): Promise<void> {
    let since = 0
    while (free * 2 < concurrency && !stop.signal.aborted) {
      since ||= free > 0 ? Date.now() : 0
      const left = since + CLAIM_LINGER_MS - Date.now()
      if (since > 0 && left <= 0) return
      await sleep(since > 0 ? left : 60_000, changed.signal)
    }
  }

  /** Gives back what nobody has begun. */
  function releaseAll(): void {
    for (const { open } of leases)
      for (const held of open.values()) if (!held.hasBegun) held.finish({ how: 'release' })
  }

  /** Claims as many events as can begin. @returns whether it is worth to claim again at once */
  async function claim(): Promise<boolean> {
    const beganAt = Date.now()
    gone = []
    const { data, lease } = await inbox.claim({
      subscription,
      limit: Math.min(free, CLAIM_EVENTS),
      lease_seconds: leaseSeconds,
      wait_seconds: waitSeconds,
      ...(consumer !== undefined && { consumer }),
    })
    if (!lease || !data.length) return Date.now() - beganAt >= EMPTY_TOO_SOON_MS
    free -= data.length
    const held = new Lease(inbox, lease.token, leaseSeconds, data, ears, stop.signal)
    leases.add(held)
    void held.over.then(() => leases.delete(held))
    // To abort a claim could leave its events with nobody: what comes behind the stop is given back.
    if (stop.signal.aborted) releaseAll()
    else for (const event of held.open.values()) take(event)
    return true
  }

  /** Resolves when the work is over, or soon after the stop. */
  function orStop(work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const soon = () => void setTimeout(resolve, LAST_CLAIM_MS)
      const end = () => {
        stop.signal.removeEventListener('abort', soon)
        resolve()
      }
      stop.signal.addEventListener('abort', soon)
      work.then(end, end)
    })
  }

  stop.signal.addEventListener('abort', releaseAll)
  for (let [inRow, released] = [0, 0]; ;) {
    await room()
    // Whoever gives everything back at once would get it again at once.
    if (gone.some((how) => how !== 'release')) released = 0
    else if (gone.length > 0) await sleep(pauseMs(released++), stop.signal)
    if (stop.signal.aborted) break
    try {
      const claimed = claim()
      await orStop(claimed)
      if (stop.signal.aborted) break
      inRow = (await claimed) ? 0 : inRow + 1
      if (inRow > 0) await sleep(pauseMs(inRow), stop.signal)
    } catch (error) {
      // Also what is wrong in the configuration of the inbox is waited out: that is set right without the consumer.
      if (!(error instanceof InboxError) || (!error.isPassing && error.status < 500)) {
        broken(error)
        break
      }
      ears.failed(error)
      await sleep(pauseMs(inRow++, error.retryAfterSeconds), stop.signal)
    }
  }
  await Promise.all([...leases].map(({ over }) => over))
  signal?.removeEventListener('abort', halt)
  if (failures.length > 0) throw failures[0]
}
