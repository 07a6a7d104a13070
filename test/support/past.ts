import { shardOf } from './shards'
import { type Inbox, SHARDS } from './world'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** Puts events of a past time where accepting and draining would have put them; dead letters of failed ones too. */
export async function addPast(
  inbox: Inbox,
  ids: string[],
  status: 'pending' | 'delivered' | 'failed',
  created: number,
  { updated = created, shards = SHARDS } = {},
): Promise<void> {
  const iso = (at: number) => new Date(at).toISOString()
  for (const [shard, own] of Map.groupBy(ids, (id) => shardOf(id, shards))) {
    const list = JSON.stringify(own)
    await inbox.shardRows(
      shard,
      `INSERT INTO events (event_id, correlation_id, status, created_at, updated_at)
       SELECT value, 'c', ?2, ?3, ?4 FROM json_each(?1)`,
      list,
      status,
      created,
      updated,
    )
    await inbox.shardRows(shard, `UPDATE counters SET ${status} = ${status} + ?`, own.length)
    await inbox.db
      .prepare(
        `INSERT INTO events (event_id, payload, status, created_at, updated_at)
         SELECT value, '{}', ?2, ?3, ?4 FROM json_each(?1)`,
      )
      .bind(list, status, iso(created), iso(updated))
      .run()
    if (status === 'pending') await openPast(inbox, shard, own, created)
    if (status !== 'failed') continue
    await inbox.shardRows(
      shard,
      `INSERT INTO letters (event_id, subscription, reason, failed_at, sent_at, recorded)
       SELECT value, 'inbox', 'r', ?2, ?2, 1 FROM json_each(?1)`,
      list,
      updated,
    )
    await inbox.shardRows(shard, 'UPDATE counters SET letters = letters + ?', own.length)
    await inbox.db
      .prepare(`INSERT INTO letters SELECT value, 'inbox', ?2, 'r', 3, 'c', ?3 FROM json_each(?1)`)
      .bind(list, `shard-${shard}`, iso(updated))
      .run()
  }
}

/** Puts pending events where consumers can claim them. */
export async function openPast(
  inbox: Inbox,
  shard: number,
  ids: string[],
  at: number,
): Promise<void> {
  const entries = ids.map((id) => [id, at])
  await inbox.shardRows(
    shard,
    `INSERT INTO ready (subscription, visible_at, part, n, entries)
     SELECT 'inbox', ?1, (SELECT count(*) FROM ready), ?2, ?3`,
    at,
    ids.length,
    JSON.stringify(entries),
  )
  await inbox.shardRows(
    shard,
    `UPDATE counters SET subscriptions = json_patch(
       '{"inbox": {"open": 0, "claimed": 0, "settled": 0, "expired": 0, "failed": 0}}',
       coalesce(subscriptions, '{}'))`,
  )
  await inbox.shardRows(
    shard,
    `UPDATE counters SET subscriptions =
       json_set(subscriptions, '$.inbox.open', (subscriptions ->> '$.inbox.open') + ?)`,
    ids.length,
  )
}
