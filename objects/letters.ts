import { EVERY_SUBSCRIPTION } from '../shared/dead-letter'
import type { Pairs } from './pairs'

/**
 * A pair that failed has a letter of its own, unless it failed because D1 refused the event: then one letter is about
 * all such pairs. This module says which letter is about which pairs. Pure.
 */

/** Lists the failed pairs that a letter is about. @param letters all that the event has, by subscription */
export function pairsOfLetter(letter: string, pairs: Pairs, letters: string[]): string[] {
  if (letter !== EVERY_SUBSCRIPTION) return pairs.get(letter) === 'failed' ? [letter] : []
  return failedIn(pairs).filter((name) => !letters.includes(name))
}

/**
 * Lists the letters that go once an event was retried in some subscriptions.
 * @param pairs as they are afterwards
 * @returns null when all of them go, as no pair is failed any more
 */
export function lettersGone(retried: string[], pairs: Pairs, letters: string[]): string[] | null {
  const failed = failedIn(pairs)
  if (failed.length === 0) return null
  const isAboutNone =
    letters.includes(EVERY_SUBSCRIPTION) && failed.every((name) => letters.includes(name))
  return isAboutNone ? [...retried, EVERY_SUBSCRIPTION] : retried
}

function failedIn(pairs: Pairs): string[] {
  return [...pairs].flatMap(([name, pair]) => (pair === 'failed' ? [name] : []))
}
