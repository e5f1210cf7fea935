-- Clicks that are paid for: counted once a day, and an order of the network's own for each program and partner.

-- +goose Up
-- A day of UTC of a program that pays for clicks. Engines ask, each for the orders that its lane will have; who holds the lane's
-- place among the producers counts.
CREATE TABLE click_day (
  lane        int    NOT NULL,
  program_id  bigint NOT NULL,
  day         date   NOT NULL,
  merchant_id bigint NOT NULL,
  currency    text   NOT NULL,
  asked_at    timestamptz NOT NULL DEFAULT now(),
  counted_at  timestamptz, -- when the orders were put into the outbox
  orders      int,
  clicks      bigint,
  PRIMARY KEY (lane, program_id, day)
) WITH (fillfactor = 85);
CREATE INDEX click_day_open ON click_day (lane, day, program_id) WHERE counted_at IS NULL;

ALTER TABLE orders
  DROP CONSTRAINT orders_keys_check,
  ADD CONSTRAINT orders_keys_check CHECK (keys IN (0, 1, 2)); -- 2 clicks that the network has counted

GRANT SELECT, INSERT ON click_day TO tributary_engine;
GRANT SELECT, UPDATE ON click_day TO tributary_loader;
GRANT SELECT ON click_day TO tributary_operator, tributary_reader;
