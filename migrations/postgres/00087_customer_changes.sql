-- What a transaction changes in the orders of customers, so that two that did not see one another are found without a look at each order.

-- +goose Up
-- Who holds the customers' lane holds a row against those of transactions that neither saw its own nor were seen by it: where both name a
-- customer, the views of that customer are worked out again. It goes when no transaction is left that may not have seen it.
CREATE TABLE customer_change (
  no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane      int           NOT NULL,           -- the partition of the topic orders that merchant|customer of all of them belongs to
  xid       xid8          NOT NULL DEFAULT pg_current_xact_id(),
  seen      pg_snapshot   NOT NULL,           -- what was committed before the transaction read the customers' orders
  merchants bigint[]      NOT NULL,           -- the places among the orders of customers, column by column
  customers text[]        NOT NULL,
  ats       timestamptz[] NOT NULL,
  refs      text[]        NOT NULL,
  compared  xid8,                             -- once held against the others: every transaction that may not have seen it has a lower id
  written   timestamptz   NOT NULL DEFAULT now(),
  CHECK (cardinality(merchants) > 0 AND cardinality(customers) = cardinality(merchants)
         AND cardinality(ats) = cardinality(merchants) AND cardinality(refs) = cardinality(merchants))
);
CREATE INDEX customer_change_lane ON customer_change (lane, no);
ALTER TABLE customer_change ALTER merchants SET STORAGE EXTERNAL, ALTER customers SET STORAGE EXTERNAL,
  ALTER ats SET STORAGE EXTERNAL, ALTER refs SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, UPDATE, DELETE ON customer_change TO tributary_engine;
GRANT SELECT ON customer_change TO tributary_operator, tributary_reader;
