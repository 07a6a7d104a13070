import { type ConsumeOptions, feed } from './feed.ts'
import type { Held, Outcome } from './lease.ts'
import type { ClaimedEvent, Leases } from './types.ts'

export type { ConsumeOptions } from './feed.ts'

/** Works on one event. Its `signal` is aborted when somebody else has got it: what is done then counts no more. */
export type Handler = (event: ClaimedEvent, context: { signal: AbortSignal }) => unknown

/** A handler throws this to say when the event comes again. */
export class Nack extends Error {
  readonly delaySeconds: number | undefined

  constructor(reason: string, { delaySeconds }: { delaySeconds?: number } = {}) {
    super(reason)
    this.delaySeconds = delaySeconds
  }
}

/** A handler throws this to give an event back untried: others get it at once, and it counts as no attempt. */
export class Release extends Error {}

/** Has a handler work on each event, so many at once. */
export function consumeAll(
  inbox: Leases,
  options: ConsumeOptions,
  handler: Handler,
): Promise<void> {
  return feed(inbox, options, (held) => {
    held.hasBegun = true
    void outcomeOf(held, handler).then((outcome) => held.finish(outcome))
  })
}

async function outcomeOf({ event, signal }: Held, handler: Handler): Promise<Outcome> {
  try {
    await handler(event, { signal })
    return { how: 'ack' }
  } catch (error) {
    if (error instanceof Release) return { how: 'release' }
    const reason = error instanceof Error ? error.message : String(error)
    const isDelayed = error instanceof Nack && error.delaySeconds !== undefined
    return { how: 'nack', error: reason, ...(isDelayed && { delay_seconds: error.delaySeconds }) }
  }
}
