import { INBOX, type ToldState } from '../shared/event'

/**
 * The takers of an event are the subscriptions that took it when it was accepted. Its pairs do not say that for long:
 * those that are settled leave them. Pure.
 */

/** Writes the takers of an event: a JSON array of their names, or null when `inbox` alone takes it. */
export function encodeTakers(names: string[] = [INBOX]): string | null {
  return names.length === 1 && names[0] === INBOX ? null : JSON.stringify(names)
}

/** Reads the takers from an event's row. That of an event which an older version accepted has its pairs in their place. */
export function takersOf({ takers }: Pick<ToldState, 'takers'>): string | null {
  if (takers == null || takers.startsWith('[')) return takers ?? null
  const pairs: Record<string, unknown> = JSON.parse(takers)
  return encodeTakers(Object.keys(pairs))
}
