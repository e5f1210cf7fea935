-- The inbox: facts that people make, which are folded into orders as reports from Kafka are. The first kind is a dead letter
-- that somebody puts back.

-- +goose Up
CREATE TABLE inbox (
  no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane    int    NOT NULL CHECK (lane >= 0), -- the partition of the topic orders that the order belongs to
  key     bytea  NOT NULL,                   -- of the order, as records of Kafka have it
  kind    text   NOT NULL CHECK (kind <> ''),
  ref     text   NOT NULL,                   -- names what the fact is about among those of its kind
  content bytea  NOT NULL,
  author  text   NOT NULL CHECK (author <> ''),
  note    text   NOT NULL DEFAULT '',
  at      timestamptz NOT NULL DEFAULT now(),
  written xid8   NOT NULL DEFAULT pg_current_xact_id() -- as `changed` of what the catalogue holds: rows commit in any order
);
CREATE INDEX inbox_lane ON inbox (lane, written);

-- A row that the owner of its lane has taken, written in the transaction of its effect.
CREATE TABLE inbox_taken (
  no      bigint PRIMARY KEY REFERENCES inbox,
  at      timestamptz NOT NULL DEFAULT now(),
  problem text NOT NULL DEFAULT '' -- why it could have no effect; empty when it had
);

CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON inbox       FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON inbox_taken FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

GRANT SELECT, INSERT ON inbox TO tributary_operator;
GRANT SELECT ON inbox TO tributary_engine, tributary_reader;
GRANT SELECT, INSERT ON inbox_taken TO tributary_engine;
GRANT SELECT ON inbox_taken TO tributary_operator, tributary_reader;

-- Letters that are on their way back go by the inbox from now on.
INSERT INTO inbox (lane, key, kind, ref, content, author, note)
SELECT partition, key, 'dead_letter', no::text, value, 'operator', note FROM dead_letter
 WHERE consumer = 'engine' AND topic = 'orders' AND state = 'returning' ORDER BY no;
