-- How click ids are used: for merchants whose terms look at how many orders, or orders of how many customers, name one click id.

-- +goose Up
-- An order as the fold of the click id that it names looks at it, and how that had been used with it when the fold was last worked
-- out. Who holds the order's lane writes the row; `use` is written by who holds the click id's lane.
CREATE TABLE click_use (
  order_no    bigint PRIMARY KEY,
  merchant_id bigint NOT NULL,
  click_id    text COLLATE "C" NOT NULL CHECK (click_id <> ''),
  at          timestamptz NOT NULL,          -- when the order was placed, as it states
  ref         text COLLATE "C" NOT NULL,     -- the merchant's id of the order: of one time, the orders go by it
  customer_id text NOT NULL,                 -- empty where the order names none
  void        boolean NOT NULL,
  use         json NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX click_use_click ON click_use (merchant_id, click_id, at, ref);

-- Where in the orders of a click id something has changed, until who holds its lane has worked out what follows.
CREATE TABLE click_touched (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane        int    NOT NULL,                -- the partition of the topic orders that merchant|click id belongs to
  merchant_id bigint NOT NULL,
  click_id    text COLLATE "C" NOT NULL,
  at          timestamptz NOT NULL,
  ref         text COLLATE "C" NOT NULL,
  written     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX click_touched_lane ON click_touched (lane, no);

GRANT SELECT, INSERT, UPDATE ON click_use TO tributary_engine;
GRANT SELECT, INSERT, DELETE ON click_touched TO tributary_engine;
GRANT SELECT ON click_use, click_touched TO tributary_operator, tributary_reader;
