-- What proving the engine asked for: dead letters that outlive their topic, ledger events that can be sent again, and
-- reports that were refused with their reason.

-- +goose Up

-- A letter goes by the record's sequence too: a topic that was made anew has the same offsets again.
ALTER TABLE dead_letter
  ADD COLUMN no    bigint GENERATED ALWAYS AS IDENTITY,
  ADD COLUMN spool bytea  NOT NULL DEFAULT '', -- of a record without the contract's headers: the hash of its value
  ADD COLUMN seq   bigint NOT NULL DEFAULT 0,
  DROP CONSTRAINT dead_letter_pkey,
  ADD PRIMARY KEY (no),
  ADD CONSTRAINT dead_letter_once UNIQUE (consumer, topic, partition, "offset", spool, seq);

-- How far Kafka has acknowledged each lane's ledger events. What was acknowledged stays in the outbox for two days, and
-- setting this back sends it again.
CREATE TABLE ledger_sent (
  lane        int    PRIMARY KEY,
  through_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 40);
INSERT INTO ledger_sent (lane, through_seq)
SELECT p.partition, coalesce((SELECT min(first_seq) - 1 FROM ledger_outbox WHERE lane = p.partition), p.out_seq)
  FROM position p WHERE p.consumer = 'engine' AND p.topic = 'orders';
ALTER TABLE ledger_outbox ADD COLUMN at timestamptz NOT NULL DEFAULT now();

-- What Kafka has not acknowledged yet.
CREATE VIEW ledger_unsent WITH (security_invoker = true) AS
SELECT o.lane, o.first_seq, o.last_seq
  FROM (SELECT DISTINCT p.partition AS lane, coalesce(s.through_seq, 0) AS through_seq
          FROM position p LEFT JOIN ledger_sent s ON s.lane = p.partition WHERE p.consumer = 'engine' AND p.topic = 'orders') l
  JOIN ledger_outbox o ON o.lane = l.lane AND o.first_seq > l.through_seq;

-- Why a report is without effect: other content than the one before it, or one refund too many.
ALTER TABLE order_conflict ADD COLUMN reason text NOT NULL DEFAULT 'other_content' CHECK (reason IN ('other_content', 'too_many_refunds'));

-- Orders that a click id key added later may credit.
CREATE INDEX orders_unknown_key ON orders (lane, no) WHERE outcome = 'unknown_click_key';

-- Most accounts have few postings, whatever their average: without this, where there are few accounts, the planner reads
-- the books from end to end for the balance of one that has none.
ALTER TABLE posting ALTER COLUMN debit SET (n_distinct = -0.05), ALTER COLUMN credit SET (n_distinct = -0.05);

GRANT SELECT, INSERT, UPDATE ON ledger_sent TO tributary_engine;
GRANT SELECT, UPDATE ON ledger_sent TO tributary_operator;
GRANT SELECT ON ledger_unsent TO tributary_engine, tributary_operator;
