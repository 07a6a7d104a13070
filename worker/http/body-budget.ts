import { LIMITS } from '../../shared/limits'
import { unavailable } from '../../shared/problem'

/** This module bounds the bytes of request bodies that an isolate holds at once. They count until the answer. */

interface Hold {
  bytes: number
  /** When the request last took bytes. */
  at: number
}

/** A request that took its last bytes this long ago counts as dropped. The runtime does not tell when it drops one. */
const FORGOTTEN_AFTER_MS = 60_000

/** Kept on the request itself: a WeakMap of requests takes a twentieth of the time of a post. */
const HOLD = Symbol('held bytes')
type Holder = { [HOLD]?: Hold }

const holds = new Set<Hold>()
let held = 0

/** Takes more bytes for the request. @throws HttpError 503 when all requests together would hold too many */
export function holdBytes(request: object, bytes: number, now = Date.now()): void {
  if (held + bytes > LIMITS.HELD_BYTES) forget(now - FORGOTTEN_AFTER_MS)
  if (held + bytes > LIMITS.HELD_BYTES)
    throw unavailable('Too many large requests are under way. Nothing was done; send it again.')
  const hold = ((request as Holder)[HOLD] ??= { bytes: 0, at: now })
  hold.bytes += bytes
  hold.at = now
  held += bytes
  holds.add(hold)
}

/** Gives back the bytes that the request holds, if it holds any. */
export function releaseBytes(request: object): void {
  const hold = (request as Holder)[HOLD]
  if (hold) giveBack(hold)
}

function giveBack(hold: Hold): void {
  held -= hold.bytes
  // A request that was forgotten may still go on, and take and give back more.
  hold.bytes = 0
  holds.delete(hold)
}

function forget(before: number): void {
  for (const hold of holds) if (hold.at < before) giveBack(hold)
}
