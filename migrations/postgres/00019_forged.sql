-- Nobody is believed for being on the bus: records that no key of the network has signed, and partitions that stand still for
-- want of a key.

-- +goose Up
ALTER TABLE position
  ADD COLUMN halted_key    smallint,                                      -- the record key whose want is why it stands still
  ADD COLUMN halted_record bytea CHECK (length(halted_record) = 32),      -- the record that names the key
  ADD CHECK ((halted_key IS NULL) = (halted_record IS NULL)),
  ADD CHECK (halted_key IS NULL OR halted <> '');

-- What was produced by somebody without the keys. Nothing is ever taken in from here: the genuine record comes from its spool.
CREATE TABLE forged (
  no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer  text     NOT NULL,
  topic     text     NOT NULL,
  partition int      NOT NULL,
  "offset"  bigint   NOT NULL,
  hash      bytea    NOT NULL CHECK (length(hash) = 32), -- of headers, key and value
  key_id    smallint NOT NULL,
  headers   bytea    NOT NULL CHECK (octet_length(headers) <= 1024),
  key       bytea    NOT NULL CHECK (octet_length(key) <= 1024),
  value     bytea    NOT NULL CHECK (octet_length(value) <= 4096), -- the beginning of it
  size      int      NOT NULL CHECK (size >= octet_length(value)), -- of the whole value
  at        timestamptz NOT NULL DEFAULT now(),
  UNIQUE (consumer, topic, partition, "offset", hash)
);
CREATE INDEX forged_at ON forged (consumer, topic, partition, at);

-- A record under a key that is not there, which an operator says is forged.
CREATE TABLE forged_declaration (
  topic     text  NOT NULL,
  partition int   NOT NULL,
  hash      bytea NOT NULL CHECK (length(hash) = 32),
  note      text  NOT NULL CHECK (note <> '' AND octet_length(note) <= 2000),
  at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition, hash)
);
GRANT SELECT, INSERT ON forged TO tributary_engine, tributary_loader;
GRANT SELECT ON forged_declaration TO tributary_engine, tributary_loader;
GRANT INSERT ON setting TO tributary_loader; -- the fingerprints of its record keys
GRANT SELECT ON forged TO tributary_operator;
GRANT SELECT, INSERT ON forged_declaration TO tributary_operator;
