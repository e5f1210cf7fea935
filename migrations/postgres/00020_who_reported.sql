-- Who reported what, and how it came; which orders were reported late; which refunds asked for what an order does not have.

-- +goose Up
ALTER TABLE orders
  ADD COLUMN received_at     timestamptz,                    -- of the sale's report; null until it is known
  ADD COLUMN late            boolean NOT NULL DEFAULT false, -- reported more than 48 hours after it was placed, and no import
  ADD COLUMN refund_oddities int     NOT NULL DEFAULT 0 CHECK (refund_oddities >= 0); -- what refunds asked for in vain, each thing by itself, whatever it is worth
CREATE INDEX orders_late ON orders (merchant_id, occurred_at, no) WHERE late;
CREATE INDEX orders_odd ON orders (merchant_id, occurred_at, no) WHERE refund_oddities > 0;

-- As the envelope of the report has them: api_key_id is 0 for what no key reported.
ALTER TABLE order_event
  ADD COLUMN api_key_id bigint  NOT NULL DEFAULT 0,
  ADD COLUMN ip_prefix  text    NOT NULL DEFAULT '',
  ADD COLUMN imported   boolean NOT NULL DEFAULT false;
CREATE INDEX order_event_key ON order_event (api_key_id, order_no) WHERE api_key_id <> 0;
ALTER TABLE order_conflict
  ADD COLUMN api_key_id bigint  NOT NULL DEFAULT 0,
  ADD COLUMN ip_prefix  text    NOT NULL DEFAULT '',
  ADD COLUMN imported   boolean NOT NULL DEFAULT false;
CREATE INDEX order_conflict_key ON order_conflict (api_key_id, order_no) WHERE api_key_id <> 0;
