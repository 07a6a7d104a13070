/**
 * What was done to one event, and what was answered, by many clients at once: is there an order that explains it?
 * An operation took effect at one moment between its start and its end (linearizability, Herlihy and Wing 1990).
 */

/** An event as its clients know it; `n` says which post made it. */
export interface State {
  status: 'absent' | 'pending' | 'delivered' | 'failed'
  n: number
  nacks: number
}

export interface Operation {
  /** For people. */
  what: string
  start: number
  /** Infinity when it was not answered: it may still take effect. */
  end: number
  /** Whether it must have taken effect: what was not answered may have, or not. */
  answered: boolean
  /** Whether it may take effect again and again. */
  repeats?: boolean
  /** The state after it; null where its answer would not have been this one. */
  step(before: State): State | null
}

export const ABSENT: State = { status: 'absent', n: 0, nacks: 0 }

/** Whether some order of the operations on one event explains every answer. */
export function isExplained(operations: Operation[]): boolean {
  const sorted = operations.toSorted((a, b) => a.start - b.start)
  const seen = new Set<string>()

  /** @param now the latest start of those that took effect: nothing that ended before can do so after them */
  function search(done: Set<number>, state: State, now: number): boolean {
    const open = [...sorted.keys()].filter((index) => !done.has(index))
    let limit = Infinity
    for (const index of open) {
      const each = sorted[index]
      if (each?.answered) limit = Math.min(limit, each.end)
    }
    if (limit === Infinity) return true
    const key = `${open.join()} ${state.status} ${state.n} ${state.nacks} ${now}`
    if (seen.has(key)) return false
    seen.add(key)
    return open.some((index) => {
      const each = sorted[index]
      if (!each || each.start > limit || each.end < now) return false
      const after = each.step(state)
      if (!after) return false
      const taken = each.repeats ? done : new Set([...done, index])
      return search(taken, after, Math.max(now, each.start))
    })
  }
  return search(new Set(), ABSENT, 0)
}

/** The operations in words, in the order they began. */
export function tell(operations: Operation[]): string {
  const lines = operations
    .toSorted((a, b) => a.start - b.start)
    .map(({ start, end, what }) => `${start.toFixed(1)} to ${end.toFixed(1)}: ${what}`)
  return lines.join('\n')
}
