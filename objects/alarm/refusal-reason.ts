/** What D1 says when it rejects a row, and our words for it. The narrowest patterns come first. */
const REASONS: [RegExp, string][] = [
  [/UNIQUE constraint failed|_PRIMARYKEY|_UNIQUE/, 'it holds another one under this event_id'],
  [/NOT NULL constraint failed|_NOTNULL/, 'a field of it is missing'],
  [/CHECK constraint failed|_CHECK/, 'a field of it is not valid'],
  [/SQLITE_MISMATCH|_DATATYPE/, 'a field of it has the wrong type'],
  [/SQLITE_TOOBIG/, 'it is too large'],
]

/**
 * Words the reason of a dead letter that D1 rejected. The words stay the same, because people redrive by them.
 * D1's own text may have names of tables and values of rows, so it goes to the log only.
 */
export function refusalReason(error: string): string {
  const known = REASONS.find(([pattern]) => pattern.test(error))
  return `The database refused the event: ${known?.[1] ?? 'it breaks a rule of the database'}.`
}
