-- D1 has the queryable copy of what the shards hold. This file is safe to apply again.
-- scripts/apply-schema.ts adds the columns that a table of before lacks. So a column that comes later stands last, and
-- is one that ALTER TABLE can add to rows: NULL, without a default or a constraint.

CREATE TABLE IF NOT EXISTS events (
  event_id    TEXT PRIMARY KEY NOT NULL,
  payload     TEXT NOT NULL CHECK (json_valid(payload)),
  metadata    TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
  status      TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
  created_at  TEXT NOT NULL, -- ISO 8601, UTC, milliseconds: sorts as text
  updated_at  TEXT NOT NULL,
  retry_count INTEGER NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
  correlation_id TEXT, -- NULL in rows from before there was this column
  subscriptions  TEXT -- a JSON array of the names that took it when it came; NULL for inbox alone
) WITHOUT ROWID;

-- This index serves status alone as well, by its prefix. A third index would only cost one more row written an event.
CREATE INDEX IF NOT EXISTS events_by_status ON events (status, created_at);
CREATE INDEX IF NOT EXISTS events_by_time ON events (created_at);

-- The queue brings these: one row for each subscription in which an event failed. The row goes once the event is
-- redriven there, or deleted.
CREATE TABLE IF NOT EXISTS letters (
  event_id       TEXT NOT NULL,
  subscription   TEXT NOT NULL, -- '' for an event that D1 refused
  shard          TEXT NOT NULL,
  reason         TEXT NOT NULL,
  retry_count    INTEGER NOT NULL,
  correlation_id TEXT NOT NULL,
  failed_at      TEXT NOT NULL,
  PRIMARY KEY (event_id, subscription)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS letters_by_time ON letters (failed_at);

-- The version before had these, one row a failed event. They stay for one version: what is in them still counts, as of
-- the subscription inbox, and workers of that version still write them while this one is deployed.
CREATE TABLE IF NOT EXISTS dead_letters (
  event_id       TEXT PRIMARY KEY NOT NULL,
  shard          TEXT NOT NULL,
  reason         TEXT NOT NULL,
  retry_count    INTEGER NOT NULL,
  correlation_id TEXT NOT NULL,
  failed_at      TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS dead_letters_by_time ON dead_letters (failed_at);

-- Each row is the newest write of a shard. A write that arrives late, after a newer one, finds a higher tick here and
-- does nothing.
CREATE TABLE IF NOT EXISTS fences (
  shard TEXT PRIMARY KEY NOT NULL,
  tick  INTEGER NOT NULL
) WITHOUT ROWID;
