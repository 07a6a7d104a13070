import { reasonOf } from './error.ts'
import { type ConsumeOptions, feed } from './feed.ts'
import type { Held, Outcome } from './lease.ts'
import type { ClaimedEvent, Leases } from './types.ts'

export type { ConsumeOptions } from './feed.ts'

/** Works on one event. Its `signal` is aborted when somebody else has got it: what is done then counts no more. */
export type Handler = (event: ClaimedEvent, context: { signal: AbortSignal }) => unknown

/** The inbox takes whole seconds, up to a week. */
const MAX_DELAY_SECONDS = 604_800

/** A handler throws this to say when the event comes again: after whole seconds, rounded up, and a week at most. */
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
    const nack = { how: 'nack', error: reasonOf(error) } as const
    if (!(error instanceof Nack) || error.delaySeconds === undefined) return nack
    // A number that the inbox refuses would take the other outcomes of its settlement with it.
    const seconds = Math.max(0, Math.ceil(error.delaySeconds) || 0)
    return { ...nack, delay_seconds: Math.min(seconds, MAX_DELAY_SECONDS) }
  }
}
