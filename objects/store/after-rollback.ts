import { INBOX } from '../../shared/event'

/** What the status of an event comes to by its pairs. */
const STATUS_BY_PAIRS = `
  CASE WHEN EXISTS (SELECT 1 FROM json_each(subscriptions) WHERE value = 'failed') THEN 'failed'
    WHEN subscriptions = '{}' THEN 'delivered' ELSE 'pending' END`

/**
 * Brings a shard in order in which a version without subscriptions has worked since, as after a rollback: that version
 * writes no entries, and keeps its dead letters in a table of its own. What it moved is an event of `inbox` from then
 * on; leases end. It reads every event, and does nothing where no such version has run.
 */
export function mendAfterRollback(storage: DurableObjectStorage): void {
  const { sql } = storage
  if (sql.exec('SELECT 1 FROM counters WHERE clock IS NOT clock_seen').toArray().length === 0)
    return
  storage.transactionSync(() => {
    sql.exec(`
      UPDATE events SET subscriptions = NULL
        WHERE subscriptions IS NOT NULL AND (status != (${STATUS_BY_PAIRS})
          OR event_id IN (SELECT event_id FROM dead_letters));
      DELETE FROM letters WHERE event_id IN (SELECT event_id FROM dead_letters);
      DELETE FROM ready;
      DELETE FROM leases;
      INSERT OR REPLACE INTO letters
        SELECT event_id, '${INBOX}', reason, failed_at, sent_at, recorded FROM dead_letters;
      DELETE FROM dead_letters;
      DELETE FROM letters WHERE event_id NOT IN (SELECT event_id FROM events WHERE status = 'failed');
      WITH open AS MATERIALIZED (
        SELECT name, count(*) AS open FROM (
          SELECT '${INBOX}' AS name FROM events WHERE status = 'pending' AND subscriptions IS NULL
          UNION ALL
          SELECT pair.key FROM events, json_each(events.subscriptions) AS pair
            WHERE pair.type = 'array')
        GROUP BY name),
      before AS (SELECT each.key AS name, each.value AS counts
        FROM counters, json_each(counters.subscriptions) AS each),
      counted AS (
        SELECT name, json_set(
          coalesce((SELECT counts FROM before WHERE before.name = names.name),
            '{"claimed": 0, "settled": 0, "expired": 0, "failed": 0}'),
          '$.open', coalesce((SELECT open.open FROM open WHERE open.name = names.name), 0)) AS counts
        FROM (SELECT name FROM open UNION SELECT name FROM before) AS names)
      UPDATE counters SET clock_seen = clock, untaken_after = '', untaken_until = clock,
        letters = (SELECT count(*) FROM letters),
        subscriptions = (SELECT json_group_object(name, json(counts)) FROM counted)`)
  })
}
