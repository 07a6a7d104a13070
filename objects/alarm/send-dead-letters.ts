import { readSmallBodies } from '../../d1/events'
import { deadLetterBatches, deadLetterMessage, MAX_MESSAGE_BYTES } from '../../shared/dead-letter'
import { bodyLength, type EventBody, type EventState } from '../../shared/event'
import { log } from '../../shared/log'
import { backoffMs, MAX_DELAY_MS, waitUntil, withTimeout } from '../../shared/retry'
import type { Task } from './task'
import type { ShardContext } from '../shard-context'

const QUEUE_TIMEOUT_MS = 10_000
/** A step sends this many dead letters: their bodies, at most 100 KB each, fit into memory with ease. */
const DEAD_LETTERS_A_STEP = 50

/** Sends dead letters to the queue until it has taken them. The shard's own record stays the truth. */
export class SendDeadLetters implements Task {
  readonly #shard: ShardContext
  #failures = 0
  #sendAt = 0

  constructor(shard: ShardContext) {
    this.#shard = shard
  }

  dueAt(): number | null {
    if (!this.#shard.store.letters.hasUnsent()) return null
    return Date.now() + waitUntil(this.#sendAt, MAX_DELAY_MS)
  }

  async run(): Promise<void> {
    const { env, name = '', store } = this.#shard
    const letters = store.letters.unsent(DEAD_LETTERS_A_STEP)
    const held = store.events.states(letters.map((letter) => letter.event_id))
    const shown = store.shown([...held.values()])
    const states = new Map(shown.map((state) => [state.event_id, state]))
    try {
      const bodies = await this.#bodiesOf(shown)
      const messages = letters.flatMap((letter) => {
        const state = states.get(letter.event_id)
        const body = bodies.get(letter.event_id) ?? null
        return state ? [deadLetterMessage(name, state, letter, body)] : []
      })
      for (const batch of deadLetterBatches(messages))
        await withTimeout(env.DLQ.sendBatch(batch), QUEUE_TIMEOUT_MS)
      store.letters.markSent(letters, Date.now())
      this.#failures = 0
      this.#sendAt = 0
    } catch (error) {
      const delay = backoffMs(++this.#failures)
      this.#sendAt = Date.now() + delay
      log('warn', 'dead letters could not be sent; they will be tried again', {
        shard: name,
        retry_in_ms: delay,
        error: String(error),
      })
    }
  }

  /** Reads the bodies that fit a message: from the shard until D1 has them, then from D1. */
  async #bodiesOf(states: EventState[]): Promise<Map<string, EventBody>> {
    const { env, store } = this.#shard
    const bodies = new Map<string, EventBody>()
    const elsewhere: string[] = []
    for (const state of states) {
      const held = store.heldBody(state)
      if (!held) elsewhere.push(state.event_id)
      else if (bodyLength(held) < MAX_MESSAGE_BYTES) bodies.set(state.event_id, held)
    }
    if (elsewhere.length === 0) return bodies
    const stored = await readSmallBodies(env.DB, elsewhere, MAX_MESSAGE_BYTES)
    for (const { event_id, ...body } of stored) bodies.set(event_id, body)
    return bodies
  }
}
