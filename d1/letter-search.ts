import type { DeadLetterMessage } from '../shared/dead-letter'
import { LIMITS } from '../shared/limits'
import { NEWEST_LETTERS } from './dead-letters'
import { readRows } from './reader'

/**
 * This module finds dead letters in D1 by their reason or subscription, and groups them by reason.
 * No index serves that, since each would cost a row written a letter. So it looks at the newest letters only, at most
 * PAGE_SCAN of them, and says when there are more.
 */

/** The letters with this reason, and in this subscription; null for any. */
export interface LetterFilter {
  reason: string | null
  subscription: string | null
}

/** How many letters match; `complete` says whether all letters were looked at, and `total` is null if not. */
export interface LetterCount {
  total: number | null
  complete: boolean
}

/** Dead letters with one reason. */
export interface LetterGroup {
  reason: string
  count: number
  /** ISO 8601. */
  oldest_failed_at: string
  newest_failed_at: string
  subscriptions: string[]
}

const newest = (limit: number) => `(${NEWEST_LETTERS} LIMIT ${limit})`
const MATCHES = '(?1 IS NULL OR reason = ?1) AND (?2 IS NULL OR subscription = ?2)'

const MATCHING = `
  SELECT * FROM ${newest(LIMITS.PAGE_SCAN)} WHERE ${MATCHES}
  ORDER BY failed_at DESC, event_id DESC, subscription DESC LIMIT ?3 OFFSET ?4`

/** Reads letters that match, newest first. @throws HttpError 503 when D1 does not answer */
export async function readMatchingLetters(
  db: D1Database,
  { reason, subscription }: LetterFilter,
  limit: number,
  offset: number,
): Promise<DeadLetterMessage[]> {
  return readRows(db, MATCHING, [reason, subscription, limit, offset])
}

// One more than are looked at, which says whether there are more.
const COUNT = `
  SELECT count(*) AS looked_at, count(*) FILTER (WHERE ${MATCHES}) AS matching
  FROM ${newest(LIMITS.PAGE_SCAN + 1)}`

/** Counts letters that match. @throws HttpError 503 when D1 does not answer */
export async function countMatchingLetters(
  db: D1Database,
  { reason, subscription }: LetterFilter,
): Promise<LetterCount> {
  type Row = { looked_at: number; matching: number }
  const [row] = await readRows<Row>(db, COUNT, [reason, subscription])
  const complete = (row?.looked_at ?? 0) <= LIMITS.PAGE_SCAN
  return { total: complete ? (row?.matching ?? 0) : null, complete }
}

const GROUPS = `
  SELECT reason, count(*) AS count, min(failed_at) AS oldest_failed_at,
    max(failed_at) AS newest_failed_at, json_group_array(DISTINCT subscription) AS subscriptions,
    count(*) OVER () AS reasons
  FROM ${newest(LIMITS.PAGE_SCAN)} WHERE ${MATCHES} GROUP BY reason
  ORDER BY count DESC, newest_failed_at DESC, reason LIMIT ${LIMITS.LETTER_GROUPS}`

/**
 * Groups letters that match by their exact reason, the largest group first.
 * @returns at most LETTER_GROUPS groups, and how many there are
 * @throws HttpError 503 when D1 does not answer
 */
export async function readLetterGroups(
  db: D1Database,
  { reason, subscription }: LetterFilter,
): Promise<{ groups: LetterGroup[]; reasons: number }> {
  type Row = Omit<LetterGroup, 'subscriptions'> & { subscriptions: string; reasons: number }
  const rows = await readRows<Row>(db, GROUPS, [reason, subscription])
  const groups = rows.map(({ reasons: _reasons, ...group }) => {
    const subscriptions: string[] = JSON.parse(group.subscriptions)
    return { ...group, subscriptions: subscriptions.toSorted() }
  })
  return { groups, reasons: rows[0]?.reasons ?? 0 }
}
