import type { PairRecount } from '../../shared/outcomes'

/** This module counts pairs and their entries anew, to find out whether the counters agree with them. */

/** The entries of a table, each with whether it is in one of the sums that must have live ones only. */
const entriesOf = (table: string, isSummed: string) =>
  `SELECT subscription, value ->> 0 AS event_id, value ->> 1 AS at, ${isSummed} AS is_summed
   FROM ${table}, json_each(entries)`

/** An entry is live while the event's row names the same moment for that subscription. */
const IS_LIVE = `
  CASE WHEN events.subscriptions IS NULL
    THEN subscription = 'inbox' AND status = 'pending' AND at = created_at
    ELSE at IS events.subscriptions ->> ('$."' || subscription || '"[0]') END`

/**
 * Counts each subscription's open pairs and entries. Every open pair has one live entry, in `ready` or in a lease, and
 * what is leased or scheduled is live.
 * @param now the shard's present moment
 * @param backlog how many pairs are still to be taken in, by subscription
 */
export function recountPairs(
  sql: SqlStorage,
  now: number,
  backlog: Map<string, number>,
): PairRecount {
  const counters: Record<string, number> = {}
  const rows: Record<string, number> = {}
  const { subscriptions } = sql
    .exec<{ subscriptions: string | null }>('SELECT subscriptions FROM counters')
    .one()
  const counts: Record<string, { open: number }> = JSON.parse(subscriptions ?? '{}')
  for (const [name, { open }] of Object.entries(counts)) {
    counters[`${name}.open`] = open
    counters[`${name}.entries`] = open - (backlog.get(name) ?? 0)
    Object.assign(rows, { [`${name}.open`]: 0, [`${name}.entries`]: 0 })
  }
  const open = sql.exec<{ subscription: string; open: number }>(
    `SELECT 'inbox' AS subscription, count(*) AS open FROM events
       WHERE status = 'pending' AND subscriptions IS NULL
     UNION ALL
     SELECT pair.key, count(*) FROM events, json_each(events.subscriptions) AS pair
       WHERE pair.type = 'array' GROUP BY pair.key`,
  )
  for (const { subscription, open: found } of open) {
    const name = `${subscription}.open`
    counters[name] ??= 0
    rows[name] = (rows[name] ?? 0) + found
  }
  const entries = sql.exec<{ subscription: string; live: number; twice: number; dead: number }>(
    `WITH entry AS (
       ${entriesOf('ready', 'visible_at > ?1')} UNION ALL ${entriesOf('leases', 'expires_at > ?1')}),
     judged AS (SELECT entry.*, coalesce(${IS_LIVE}, 0) AS is_live
       FROM entry LEFT JOIN events USING (event_id))
     SELECT subscription, sum(is_live) AS live,
       sum(is_live) - count(DISTINCT iif(is_live, event_id, NULL)) AS twice,
       sum(is_summed AND NOT is_live) AS dead
     FROM judged GROUP BY subscription`,
    now,
  )
  for (const { subscription, live, twice, dead } of entries) {
    counters[`${subscription}.entries`] ??= 0
    rows[`${subscription}.entries`] = live
    counters[`${subscription}.entries_twice`] = 0
    rows[`${subscription}.entries_twice`] = twice
    counters[`${subscription}.dead_entries_held`] = 0
    rows[`${subscription}.dead_entries_held`] = dead
  }
  return { counters, rows, backlog: [...backlog.values()].reduce((sum, each) => sum + each, 0) }
}
