import { closest, distance } from 'fastest-levenshtein'

/** The known name that a misspelt one most likely means, as a question; null when none is near. */
export function didYouMean(name: string, known: readonly string[]): string | null {
  // The time it takes grows with the length.
  const nearest = closest(name.slice(0, 64), known)
  return distance(name.slice(0, 64), nearest) <= Math.min(3, name.length / 2)
    ? `did you mean ${nearest}?`
    : null
}
