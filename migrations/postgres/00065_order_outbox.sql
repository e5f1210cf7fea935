-- What the database itself says of orders, on its way to Kafka: the paths of visitors, and clicks that are paid for.

-- +goose Up
-- As ledger_outbox: packed events, numbered under the lock of the lane's position (consumer producer).
CREATE TABLE order_outbox (
  lane      int    NOT NULL,
  first_seq bigint NOT NULL,
  last_seq  bigint NOT NULL CHECK (last_seq >= first_seq),
  events    bytea  STORAGE EXTERNAL NOT NULL,
  at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (lane, first_seq)
);
CREATE TABLE order_sent (
  lane        int    PRIMARY KEY,
  through_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 40);

-- What Kafka has not acknowledged yet.
CREATE VIEW order_unsent WITH (security_invoker = true) AS
SELECT l.lane, o.first_seq, o.last_seq, o.at
  FROM (SELECT p.partition AS lane, coalesce(s.through_seq, 0) AS through_seq
          FROM position p LEFT JOIN order_sent s ON s.lane = p.partition WHERE p.consumer = 'producer' AND p.topic = 'orders') l
 CROSS JOIN LATERAL (SELECT first_seq, last_seq, at FROM order_outbox WHERE lane = l.lane AND first_seq > l.through_seq
                      ORDER BY first_seq OFFSET 0) o;

-- The spool id under which these are numbered.
INSERT INTO setting (name, value) VALUES ('order_spool', gen_random_uuid()::text);

-- Clicks of which an engine wants to know what came before them, since an order waits for it. Who holds the lane's place among
-- the producers answers, and removes the row.
CREATE TABLE path_wanted (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane        int      NOT NULL, -- the partition of the topic orders that the order belongs to
  merchant_id bigint   NOT NULL,
  keys        smallint NOT NULL,
  order_id    text     NOT NULL,
  click_id    text     NOT NULL,
  program_id  bigint   NOT NULL,
  partner_id  bigint   NOT NULL,
  clicked_at  timestamptz NOT NULL, -- as the click id says, in whole milliseconds
  written     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX path_wanted_lane ON path_wanted (lane, no);
CREATE INDEX orders_awaiting_path ON orders (received_at) WHERE outcome = 'awaiting_path';

ALTER TABLE order_event
  DROP CONSTRAINT order_event_kind_check,
  ADD CONSTRAINT order_event_kind_check CHECK (kind IN (1, 2, 3, 4)); -- 3 path, whose ref is the click's id

-- The click of a path may be another partner's.
CREATE OR REPLACE VIEW scoped_order_event AS
  SELECT e.order_no, e.kind, e.ref, e.occurred_at, e.received_at
    FROM order_event e
   WHERE EXISTS (SELECT FROM scoped_order o WHERE o.no = e.order_no)
     AND (e.kind NOT IN (3, 4) OR (SELECT app_operator()) OR (SELECT app_merchant()) IS NOT NULL);

GRANT SELECT, INSERT, DELETE ON order_outbox TO tributary_loader;
GRANT SELECT, INSERT, UPDATE ON order_sent TO tributary_loader;
GRANT SELECT, UPDATE ON order_sent TO tributary_operator;
GRANT SELECT ON order_outbox TO tributary_engine, tributary_operator, tributary_reader;
GRANT SELECT ON order_sent TO tributary_engine, tributary_reader;
GRANT SELECT ON order_unsent TO tributary_engine, tributary_operator, tributary_reader;
GRANT SELECT, INSERT ON path_wanted TO tributary_engine;
GRANT SELECT, DELETE ON path_wanted TO tributary_loader;
GRANT SELECT ON path_wanted TO tributary_operator, tributary_reader;
GRANT SELECT ON spool_progress TO tributary_loader;
