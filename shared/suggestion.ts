import { closest, distance } from 'fastest-levenshtein'

/** Suggests, as a question, the known name that a misspelt one most likely means. Null when none is near. */
export function didYouMean(name: string, known: readonly string[]): string | null {
  // The name is cut because the time to compare grows with its length.
  const nearest = closest(name.slice(0, 64), known)
  return distance(name.slice(0, 64), nearest) <= Math.min(3, name.length / 2)
    ? `did you mean ${nearest}?`
    : null
}
