-- What trackers tell of themselves, what a copy of the catalogue is recognised by, and keys that sign.

-- +goose Up

-- How far each lane of each tracker's spool is, written every few seconds: last is durable on the tracker's disk, sent is
-- acknowledged by Kafka. What was lost together with a disk shows as records that no consumer ever gets.
CREATE TABLE spool_progress (
  spool bytea  NOT NULL CHECK (length(spool) = 16),
  lane  int    NOT NULL CHECK (lane >= 0),
  last  bigint NOT NULL CHECK (last >= 0),
  sent  bigint NOT NULL CHECK (sent >= 0),
  owner text   NOT NULL, -- the process that last wrote it: host, process, a random part
  seen  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (spool, lane)
) WITH (fillfactor = 40);
GRANT SELECT, INSERT, UPDATE ON spool_progress TO tributary_tracker;
GRANT SELECT, DELETE ON spool_progress TO tributary_operator;
GRANT SELECT ON high_water TO tributary_tracker, tributary_operator;

-- The id of this network, by which a tracker knows whether a copy of the catalogue on its disk is of this one.
INSERT INTO setting (name, value) VALUES ('network', gen_random_uuid()::text);

-- The secret of a key that signs requests. It cannot be kept as a hash, since the tracker has to sign too: trackers alone
-- may read it, and whoever issues a key writes it.
ALTER TABLE api_key ADD COLUMN signs boolean NOT NULL DEFAULT false;
CREATE TABLE signing_secret (
  key_id bigint PRIMARY KEY REFERENCES api_key,
  secret bytea  NOT NULL CHECK (length(secret) = 32)
);
GRANT SELECT ON signing_secret TO tributary_tracker;
GRANT INSERT ON signing_secret TO tributary_operator;
