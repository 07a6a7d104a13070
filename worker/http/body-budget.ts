import { LIMITS } from '../../shared/limits'
import { unavailable } from '../../shared/problem'

/** Bounds the bytes of request bodies that this isolate holds at once: from before they are read until the answer. */

interface Hold {
  bytes: number
  /** When it last took some. */
  at: number
}

/** A request that took its last bytes so long ago was dropped by the runtime, which tells nobody. */
const FORGOTTEN_AFTER_MS = 60_000

const holdOf = new WeakMap<object, Hold>()
const holds = new Set<Hold>()
let held = 0

/** Takes so many more bytes for the request. @throws HttpError 503 when all requests together would hold too many */
export function holdBytes(request: object, bytes: number, now = Date.now()): void {
  if (held + bytes > LIMITS.HELD_BYTES) forget(now - FORGOTTEN_AFTER_MS)
  if (held + bytes > LIMITS.HELD_BYTES)
    throw unavailable('Too many large requests are under way. Nothing was done; send it again.')
  const hold = holdOf.get(request) ?? { bytes: 0, at: now }
  hold.bytes += bytes
  hold.at = now
  held += bytes
  holdOf.set(request, hold)
  holds.add(hold)
}

/** Gives back what the request holds, if anything. */
export function releaseBytes(request: object): void {
  const hold = holdOf.get(request)
  if (hold) giveBack(hold)
}

function giveBack(hold: Hold): void {
  held -= hold.bytes
  // A request that was forgotten may go on all the same.
  hold.bytes = 0
  holds.delete(hold)
}

function forget(before: number): void {
  for (const hold of holds) if (hold.at < before) giveBack(hold)
}
