/**
 * The statements that make the shard's tables. This list is append only: a shard runs the entries it has not run yet,
 * all in one transaction. Only then does it add them to the table `migrations`: while they run, that table has only the
 * entries of earlier starts.
 */
export const MIGRATIONS = [
  `CREATE TABLE events (
     event_id TEXT PRIMARY KEY NOT NULL,
     status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
     retry_count INTEGER NOT NULL DEFAULT 0,
     created_at INTEGER NOT NULL, -- also the journal row that carried the body
     updated_at INTEGER NOT NULL,
     correlation_id TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE journal (
     seq INTEGER PRIMARY KEY NOT NULL,
     accepted INTEGER NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0,
     entries TEXT NOT NULL,
     bodies TEXT NOT NULL
   );
   CREATE TABLE counters (
     clock INTEGER NOT NULL,
     pending INTEGER NOT NULL DEFAULT 0,
     delivered INTEGER NOT NULL DEFAULT 0,
     failed INTEGER NOT NULL DEFAULT 0,
     queue_depth INTEGER NOT NULL DEFAULT 0,
     last_processed_at INTEGER
   );
   INSERT INTO counters (clock) VALUES (0);
   CREATE TABLE minutes (
     minute INTEGER PRIMARY KEY NOT NULL,
     accepted INTEGER NOT NULL DEFAULT 0,
     stored INTEGER NOT NULL DEFAULT 0,
     delivered INTEGER NOT NULL DEFAULT 0,
     failed INTEGER NOT NULL DEFAULT 0
   );`,
  `ALTER TABLE events ADD COLUMN nacks INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE parked ( -- what D1 rejected: tried again apart from the journal, so that it holds up no other
     event_id TEXT PRIMARY KEY NOT NULL,
     payload TEXT, -- NULL: D1 has the event, and rejected a change of it
     metadata TEXT,
     attempts INTEGER NOT NULL,
     retry_at INTEGER, -- NULL: given up until it is redriven
     reason TEXT NOT NULL
   );
   CREATE TABLE dead_letters ( -- one row a failed event
     event_id TEXT PRIMARY KEY NOT NULL,
     reason TEXT NOT NULL,
     failed_at INTEGER NOT NULL,
     sent_at INTEGER, -- when the queue took it
     recorded INTEGER NOT NULL DEFAULT 0 -- whether D1 has it
   ) WITHOUT ROWID;`,
  `ALTER TABLE counters ADD COLUMN accepted_total INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counters ADD COLUMN stored_total INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counters ADD COLUMN delivered_total INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counters ADD COLUMN failed_total INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counters ADD COLUMN latency TEXT; -- JSON, a Histogram
   ALTER TABLE counters ADD COLUMN started_at INTEGER NOT NULL DEFAULT 0;
   UPDATE counters SET started_at = unixepoch() * 1000;`,
  // The hash of the body, when the event came with an idempotency key.
  `ALTER TABLE events ADD COLUMN fingerprint TEXT`,
  `-- First D1 must delete an event that was accepted under this id before that moment; 0 for none.
   ALTER TABLE parked ADD COLUMN deletes INTEGER NOT NULL DEFAULT 0;
   -- First D1 must delete the dead letter of a failure before that moment; 0 for none.
   ALTER TABLE parked ADD COLUMN clears INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX parked_due ON parked (retry_at) WHERE retry_at IS NOT NULL;
   CREATE INDEX parked_bodies ON parked (event_id) WHERE payload IS NOT NULL;
   CREATE INDEX dead_letters_unsent ON dead_letters (event_id) WHERE sent_at IS NULL`,
  `CREATE TABLE minute_starts ( -- the totals as each minute began: one row a minute, not one a commit
     minute INTEGER PRIMARY KEY NOT NULL,
     accepted_total INTEGER NOT NULL,
     stored_total INTEGER NOT NULL,
     delivered_total INTEGER NOT NULL,
     failed_total INTEGER NOT NULL
   );
   INSERT INTO minute_starts
     SELECT minute,
       accepted_total - sum(minutes.accepted) OVER since, stored_total - sum(minutes.stored) OVER since,
       delivered_total - sum(minutes.delivered) OVER since, failed_total - sum(minutes.failed) OVER since
     FROM minutes, counters WINDOW since AS (ORDER BY minute DESC);
   DROP TABLE minutes;
   -- Rises with each start of the shard, once it writes to D1.
   ALTER TABLE counters ADD COLUMN run INTEGER NOT NULL DEFAULT 0`,
  // Each row is a SHARD_COUNT that this shard was told of. Versions that did not keep them always had 8 shards, so an
  // older shard knows that count, whether or not it ever accepted anything.
  `CREATE TABLE shard_counts (count INTEGER PRIMARY KEY NOT NULL);
   INSERT INTO shard_counts SELECT 8 WHERE EXISTS (SELECT 1 FROM migrations);
   UPDATE parked SET deletes = coalesce(
     (SELECT created_at FROM events WHERE events.event_id = parked.event_id),
     (SELECT clock + 1 FROM counters)) WHERE deletes = 1;
   UPDATE parked SET clears = (SELECT clock + 1 FROM counters)
     WHERE clears = 1 AND event_id NOT IN (SELECT event_id FROM dead_letters)`,
  // How many entries a row has that carries no bodies.
  `ALTER TABLE journal ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
   UPDATE journal SET changes = json_array_length(entries) WHERE accepted = 0;
   CREATE INDEX parked_changes ON parked (event_id) WHERE payload IS NULL OR deletes > 0`,
  // Digests of the idempotency key and of the body of the last nack that had a key.
  `ALTER TABLE events ADD COLUMN nack_key TEXT;
   ALTER TABLE events ADD COLUMN nack_body TEXT`,
  // What came in by each source: JSON, in the row that every commit writes anyway.
  `ALTER TABLE counters ADD COLUMN sources TEXT`,
  `-- JSON: which subscriptions take the event and how far they are. NULL: inbox alone does.
   ALTER TABLE events ADD COLUMN subscriptions TEXT;
   ALTER TABLE events ADD COLUMN timeline TEXT; -- JSON: what happened to it
   ALTER TABLE events ADD COLUMN accepted_by TEXT;
   CREATE TABLE ready ( -- what can be claimed, from when on
     subscription TEXT NOT NULL,
     visible_at INTEGER NOT NULL,
     part INTEGER NOT NULL,
     n INTEGER NOT NULL,
     entries TEXT NOT NULL,
     PRIMARY KEY (subscription, visible_at, part)
   ) WITHOUT ROWID;
   CREATE TABLE leases ( -- one row a claim, until nothing is left in it
     lease TEXT PRIMARY KEY NOT NULL,
     subscription TEXT NOT NULL,
     n INTEGER NOT NULL,
     entries TEXT NOT NULL,
     consumer TEXT,
     by TEXT NOT NULL,
     claimed_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX leases_by_end ON leases (subscription, expires_at);
   ALTER TABLE counters ADD COLUMN subscriptions TEXT; -- JSON: the counts of each
   UPDATE counters SET subscriptions = json_object('inbox', json_object(
     'open', pending, 'claimed', 0, 'settled', 0, 'expired', 0, 'failed', 0)) WHERE pending > 0;
   -- Pending events accepted until then, with an id after that one, are not in the table ready yet. NULL: all are.
   ALTER TABLE counters ADD COLUMN untaken_after TEXT;
   ALTER TABLE counters ADD COLUMN untaken_until INTEGER;
   UPDATE counters SET untaken_after = '', untaken_until = clock WHERE pending > 0`,
  // An event can fail in each of its subscriptions. Until now there was one, and one letter an event.
  `CREATE TABLE letters (
     event_id TEXT NOT NULL,
     subscription TEXT NOT NULL, -- '' for an event that D1 refused
     reason TEXT NOT NULL,
     failed_at INTEGER NOT NULL,
     sent_at INTEGER, -- when the queue took it
     recorded INTEGER NOT NULL DEFAULT 0, -- whether D1 has it
     PRIMARY KEY (event_id, subscription)
   ) WITHOUT ROWID;
   INSERT INTO letters
     SELECT event_id, 'inbox', reason, failed_at, sent_at, recorded FROM dead_letters;
   DELETE FROM dead_letters; -- kept for a version before that runs again after a rollback
   CREATE INDEX letters_unsent ON letters (event_id) WHERE sent_at IS NULL;
   ALTER TABLE counters ADD COLUMN letters INTEGER NOT NULL DEFAULT 0; -- how many there are
   UPDATE counters SET letters = (SELECT count(*) FROM letters);
   -- As clears, for the letters of single subscriptions: JSON, [subscription, before] each; NULL for none.
   ALTER TABLE parked ADD COLUMN clears_named TEXT`,
  `-- The clock as versions with subscriptions wrote it: where it differs, an older one has run since.
   ALTER TABLE counters ADD COLUMN clock_seen INTEGER;
   UPDATE counters SET clock_seen = clock`,
  // JSON: the names of the subscriptions that took the event when it came; NULL for inbox alone, or an older version.
  'ALTER TABLE events ADD COLUMN takers TEXT',
]

/** Makes a shard's tables, or brings them up to date. */
export function migrate(storage: DurableObjectStorage): void {
  const { sql } = storage
  sql.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY NOT NULL)')
  const { done } = sql.exec<{ done: number }>('SELECT count(*) AS done FROM migrations').one()
  if (done === MIGRATIONS.length) return
  storage.transactionSync(() => {
    for (const statements of MIGRATIONS.slice(done)) sql.exec(statements)
    for (let version = done; version < MIGRATIONS.length; version++)
      sql.exec('INSERT INTO migrations (version) VALUES (?)', version)
  })
}
