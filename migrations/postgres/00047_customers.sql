-- Customers: for merchants whose terms bind customers, or ask whether one is new, what the orders of a customer say of one another.

-- +goose Up
-- An order as the customer fold looks at it, and how the customer stood by it when the fold was last worked out. Who holds the
-- order's lane writes the row; the view is written by who holds the customer's lane, too.
CREATE TABLE customer_seen (
  merchant_id bigint NOT NULL,
  customer_id text COLLATE "C" NOT NULL CHECK (customer_id <> ''),
  at          timestamptz NOT NULL,          -- when the order was placed, as it states
  ref         text COLLATE "C" NOT NULL,     -- the merchant's id of the order: of one time, the orders go by it
  order_no    bigint NOT NULL,
  sale        boolean NOT NULL,              -- a lead may bind, and is not counted
  void        boolean NOT NULL,
  offer       json,                          -- whom the order's own touches bind the customer to, if nobody is bound by then
  view        json   NOT NULL,
  PRIMARY KEY (merchant_id, customer_id, at, ref)
) WITH (fillfactor = 85);

-- What an operator said about a customer: whom they belong to from a time on, or that they are free. A row of the inbox that was
-- taken.
CREATE TABLE customer_event (
  merchant_id bigint NOT NULL,
  customer_id text COLLATE "C" NOT NULL CHECK (customer_id <> ''),
  from_at     timestamptz NOT NULL,
  no          bigint NOT NULL REFERENCES inbox,
  program_id  bigint NOT NULL,
  partner_id  bigint NOT NULL,                -- 0 sets free
  months      int    NOT NULL CHECK (months >= 0),
  PRIMARY KEY (merchant_id, customer_id, from_at, no)
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON customer_event FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

-- Where in a customer's orders something has changed, until who holds the customer's lane has worked out what follows.
CREATE TABLE customer_touched (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane        int    NOT NULL,                -- the partition of the topic orders that merchant|customer belongs to
  merchant_id bigint NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  at          timestamptz NOT NULL,
  ref         text COLLATE "C" NOT NULL,
  written     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX customer_touched_lane ON customer_touched (lane, no);

-- How far a lane has gone through the orders that a merchant had when its terms first asked about customers.
CREATE TABLE customer_backfill (
  merchant_id bigint NOT NULL,
  lane        int    NOT NULL,
  through_at  timestamptz NOT NULL,           -- by the index orders_merchant
  through_no  bigint NOT NULL,
  done        boolean NOT NULL,
  PRIMARY KEY (merchant_id, lane)
);

GRANT SELECT, INSERT, UPDATE ON customer_seen, customer_backfill TO tributary_engine;
GRANT SELECT, INSERT ON customer_event TO tributary_engine;
GRANT SELECT, INSERT, DELETE ON customer_touched TO tributary_engine;
GRANT SELECT ON customer_seen, customer_event, customer_touched, customer_backfill TO tributary_operator, tributary_reader;
GRANT SELECT ON customer_seen, customer_event TO tributary_dashboard;

-- Whom a customer belongs to is their merchant's to know, and not the partners'.
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['customer_seen', 'customer_event'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY river ON %I TO tributary_engine, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY tenant ON %I TO tributary_dashboard USING ((SELECT app_operator()) OR merchant_id = (SELECT app_merchant()))', t);
  END LOOP;
END $$;
-- +goose StatementEnd
