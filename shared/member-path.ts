import { LIMITS } from './limits'

/** Reads names of members inside an event, such as `payload.order.id`. No I/O. */

const KEY = /^[A-Za-z0-9_-]{1,64}$/
export const MEMBER_PATH_RULE =
  `must name 1 to ${LIMITS.QUERY_PATH_DEPTH} keys of A-Z a-z 0-9 _ -, ` + 'separated by dots'

/** The part of an event that a member is in, and its keys from the outermost on. */
export interface MemberPath {
  part: 'payload' | 'metadata'
  keys: readonly string[]
}

/** Says whether the name begins as that of a member does. */
export function isMemberName(name: string): boolean {
  return name.startsWith('payload.') || name.startsWith('metadata.')
}

/**
 * Takes the name of a member apart; null for one that breaks the rule.
 * @example memberPath('payload.order.id') // { part: 'payload', keys: ['order', 'id'] }
 */
export function memberPath(name: string): MemberPath | null {
  const [part, ...keys] = name.split('.')
  if (part !== 'payload' && part !== 'metadata') return null
  const isWithin = keys.length >= 1 && keys.length <= LIMITS.QUERY_PATH_DEPTH
  return isWithin && keys.every((key) => KEY.test(key)) ? { part, keys } : null
}
