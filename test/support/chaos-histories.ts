import type { Operation, State } from './history'
import type { InboxEvent } from '../../client/types'

/** What requests do to an event, and what was done to which, as `history.ts` wants to be told. */

export type Step = Operation['step']
export type Status = State['status']

const to = (status: Status, from: Status[]): Step => {
  return (before) => (from.includes(before.status) ? { ...before, status } : null)
}
export const STEPS: Record<'ack' | 'retry' | 'delete' | 'refuse' | 'prune', Step> = {
  ack: to('delivered', ['pending']),
  retry: (before) =>
    before.status === 'failed' ? { ...before, status: 'pending', nacks: 0 } : null,
  delete: to('absent', ['pending', 'delivered', 'failed']),
  prune: to('absent', ['delivered']),
  refuse: to('failed', ['pending']),
}

/** @param found the status it was answered with, when it was */
export function nacked(most: number, found: string | undefined): Step {
  return (before) => {
    if (before.status !== 'pending') return null
    const nacks = before.nacks + 1
    const status = nacks >= most ? 'failed' : 'pending'
    return found === undefined || found === status ? { ...before, status, nacks } : null
  }
}

export function sameIf(holds: boolean, state: State): State | null {
  return holds ? state : null
}

export function made(before: State, n: number): State | null {
  return before.status === 'absent' ? { status: 'pending', n, nacks: 0 } : null
}

/** What was done to each event, and what was done to whatever event it met. */
export class Histories {
  readonly #histories = new Map<string, Operation[]>()
  /** Operations on whatever event they find. */
  readonly #onAll: Operation[] = []

  /** The events that anything was done to. */
  ids(): string[] {
    return [...this.#histories.keys()]
  }

  /** How many operations there were on an event. */
  countOf(id: string): number {
    return this.#histories.get(id)?.length ?? 0
  }

  /** All operations on an event, and those on whatever they find. */
  of(id: string): Operation[] {
    const own = this.#histories.get(id) ?? []
    const since = Math.min(...own.map(({ start }) => start))
    return [...own, ...this.#onAll.filter(({ end }) => end > since)]
  }

  /** Notes an operation on one event. */
  note(id: string, operation: Operation): void {
    const history = this.#histories.get(id) ?? []
    this.#histories.set(id, history)
    if (history.length === 0 && id.startsWith('refused')) {
      const always = { start: 0, end: Infinity, answered: false, repeats: true }
      history.push({ what: 'D1 may have refused it', ...always, step: STEPS.refuse })
    }
    history.push(operation)
  }

  /** Notes an operation on whatever event it found. */
  noteOnAll(operation: Operation): void {
    this.#onAll.push(operation)
  }

  /** Notes that it was read so. */
  noteSeen(id: string, how: string, start: number, end: number, event?: InboxEvent): void {
    const status = event?.status ?? 'absent'
    const n = event?.payload.n
    const isSeen = (state: State) =>
      state.status === status && (status === 'absent' || state.n === n)
    this.note(id, {
      what: `${how}: ${status} ${String(n)}`,
      start,
      end,
      answered: true,
      step: (before) => sameIf(isSeen(before), before),
    })
  }
}
