import type { EventPage, InboxEvent } from '../../client/types'
import { FIRST_COLUMNS } from './schema'
import type { Inbox, Row } from './world'

/** Puts rows into D1 as a drain would. No shard knows them, so they are in no counter. */
export async function addRows(inbox: Inbox, rows: Row[]): Promise<void> {
  const values = rows.map((row) => [
    row.event_id,
    row.payload,
    row.metadata,
    row.status,
    row.created_at,
    row.updated_at,
    row.retry_count,
  ])
  const columns = values[0]?.map((_, column) => `value ->> ${column}`).join()
  const sql = `INSERT INTO events (${FIRST_COLUMNS}) SELECT ${columns} FROM json_each(?)`
  for (let at = 0; at < values.length; at += 1_000)
    await inbox.db
      .prepare(sql)
      .bind(JSON.stringify(values.slice(at, at + 1_000)))
      .run()
}

/** A page of the listing. @throws unless the answer is a 200 */
export async function listed(inbox: Inbox, query: string): Promise<EventPage> {
  const { status, text } = await inbox.get(`/inbox?${query}`)
  if (status !== 200) throw new Error(`${query}: ${text}`)
  return JSON.parse(text)
}

/** Follows the cursor to the end. */
export async function listedAll(inbox: Inbox, query: string): Promise<InboxEvent[]> {
  const events: InboxEvent[] = []
  let cursor: string | null = null
  do {
    const { data, next_cursor }: EventPage = await listed(
      inbox,
      cursor ? `${query}&cursor=${cursor}` : query,
    )
    events.push(...data)
    cursor = next_cursor
  } while (cursor)
  return events
}
