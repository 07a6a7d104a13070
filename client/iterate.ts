import { type ConsumeOptions, feed } from './feed.ts'
import type { Held } from './lease.ts'
import type { ClaimedEvent, Leases } from './types.ts'

/** An event in a loop. Its `signal`, which JSON leaves out, is aborted when somebody else has got the event. */
export type ConsumedEvent = ClaimedEvent & { readonly signal: AbortSignal }

/**
 * Gives events to a loop, one by one. An event is acked when the next one is asked for. Leaving the loop nacks the one
 * at hand, releases the rest, and waits until that is said. While a `next()` waits, `return()` waits behind it, as with
 * every generator: only `options.signal` ends that wait.
 */
export async function* iterate(
  inbox: Leases,
  options: ConsumeOptions,
): AsyncGenerator<ConsumedEvent, void, undefined> {
  const stop = new AbortController()
  const halt = () => stop.abort()
  if (options.signal?.aborted) halt()
  options.signal?.addEventListener('abort', halt)
  const waiting: Held[] = []
  let wake = () => {}
  let isFed = true
  const fed = feed(inbox, { ...options, signal: stop.signal }, (held) => {
    waiting.push(held)
    wake()
  }).finally(() => {
    isFed = false
    wake()
  })
  // It is awaited below; until then, its failure is nobody's.
  fed.catch(() => {})
  let current: Held | undefined
  try {
    for (;;) {
      const held = waiting.shift()
      if (!held && !isFed) return
      if (!held) await new Promise<void>((resolve) => (wake = resolve))
      // What was lost or released while it waited is not given to the loop.
      else if (held.isOpen && !stop.signal.aborted) {
        held.hasBegun = true
        current = held
        yield Object.defineProperty({ ...held.event }, 'signal', {
          value: held.signal,
        }) as ConsumedEvent
        current = undefined
        held.finish({ how: 'ack' })
      }
    }
  } finally {
    current?.finish({ how: 'nack', error: 'The consumer left its loop at this event.' })
    halt()
    options.signal?.removeEventListener('abort', halt)
    await fed
  }
}
