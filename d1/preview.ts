import { INBOX } from '../shared/event'
import { LIMITS } from '../shared/limits'

/** This module cuts bodies short in SQL, so that D1 sends none of them whole. */

/** The members that a preview shows, named as `GET /inbox` filters by them. */
export const PREVIEW_MEMBERS = ['metadata.source', 'metadata.type', 'payload.type'] as const

/** What a listing without whole bodies reads of a body. */
export type PreviewBody = {
  payload_preview: string
  payload_bytes: number
  metadata_preview: string | null
  metadata_bytes: number
  /** A JSON array of the names that took the event when it came; null for `inbox` alone. */
  subscriptions: string | null
} & Record<(typeof PREVIEW_MEMBERS)[number], string | null>

// A UTF-16 unit takes at most three bytes. length() would count no further than to a NUL, which a JSON string may have.
const MEMBER_BYTES = 3 * LIMITS.PREVIEW_MEMBER_LENGTH

/** The columns that take the place of payload and metadata. SQLite cuts by code points, and so never within one. */
export const PREVIEW_COLUMNS = [
  `substr(payload, 1, ${LIMITS.PREVIEW_LENGTH}) AS payload_preview`,
  'octet_length(payload) AS payload_bytes',
  `substr(metadata, 1, ${LIMITS.PREVIEW_LENGTH}) AS metadata_preview`,
  'coalesce(octet_length(metadata), 0) AS metadata_bytes',
  'subscriptions',
  ...PREVIEW_MEMBERS.map((name) => {
    const [column, key] = name.split('.')
    const value = `${column} ->> '$.${key}'`
    const isShown = `json_type(${column}, '$.${key}') = 'text' AND octet_length(${value}) <= ${MEMBER_BYTES}`
    return `CASE WHEN ${isShown} THEN ${value} END AS "${name}"`
  }),
].join(', ')

/** The members of a preview that are strings, and short enough to be shown. */
export function shownMembers(body: PreviewBody): Record<string, string> {
  const shown: Record<string, string> = {}
  for (const name of PREVIEW_MEMBERS) {
    const value = body[name]
    if (value !== null && value.length <= LIMITS.PREVIEW_MEMBER_LENGTH) shown[name] = value
  }
  return shown
}

/** The subscriptions that took the event when it came. */
export function takerNames({ subscriptions }: Pick<PreviewBody, 'subscriptions'>): string[] {
  return subscriptions === null ? [INBOX] : JSON.parse(subscriptions)
}
