/** This module adds up what came in by each source. */

/** What a source's URL has been sent. Times are milliseconds since 1970. */
export interface SourceCounts {
  accepted: number
  /** Deliveries of events that were there already. */
  duplicates: number
  /** Deliveries whose proof was missing, wrong or too old. */
  refused: number
  /** The event accepted last, and when. */
  last_event_id: string | null
  last_at: number | null
}

/** Counts by the name of the source. A source may be called like a member of every object, so this is a Map. */
export type CountsBySource = Map<string, SourceCounts>

export const NO_COUNTS: SourceCounts = {
  accepted: 0,
  duplicates: 0,
  refused: 0,
  last_event_id: null,
  last_at: null,
}

/** Adds counts to those of one source. */
export function addToSource(
  all: CountsBySource,
  name: string,
  more: Partial<SourceCounts>,
): CountsBySource {
  const own = all.get(name) ?? NO_COUNTS
  const isLater = (more.last_at ?? -Infinity) >= (own.last_at ?? -Infinity)
  const { last_event_id, last_at } = isLater ? { ...own, ...more } : own
  return all.set(name, {
    accepted: own.accepted + (more.accepted ?? 0),
    duplicates: own.duplicates + (more.duplicates ?? 0),
    refused: own.refused + (more.refused ?? 0),
    last_event_id,
    last_at,
  })
}

/** The sum of several. */
export function sumOfSources(each: Iterable<CountsBySource>): CountsBySource {
  const sum: CountsBySource = new Map()
  for (const counts of each) for (const [name, own] of counts) addToSource(sum, name, own)
  return sum
}

/** Counts as JSON text. */
export function encodeSources(counts: CountsBySource): string {
  return JSON.stringify([...counts])
}

export function decodeSources(text: string | null): CountsBySource {
  return new Map(text === null ? [] : (JSON.parse(text) as [string, SourceCounts][]))
}

/** Counts of refused deliveries, by source. */
export function refusedBySource(refused: Readonly<Record<string, number>>): CountsBySource {
  return sumOfSources(
    Object.entries(refused).map(([name, count]) =>
      addToSource(new Map(), name, { refused: count }),
    ),
  )
}
