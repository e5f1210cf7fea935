-- Several credits on one order: a row of the ledger is about one of them, and the first stands for its order as well. Rows
-- of before are first credits of partners in the currency of the order. The rollup is made anew from the ledger.

-- +goose Up
ALTER TABLE ledger
  ADD COLUMN IF NOT EXISTS further Bool AFTER currency, -- not the first credit: leave these out to count an order once
  ADD COLUMN IF NOT EXISTS role LowCardinality(String) DEFAULT 'partner' AFTER further,
  ADD COLUMN IF NOT EXISTS unit LowCardinality(String) DEFAULT currency AFTER role; -- of gross and what follows it

DROP VIEW IF EXISTS ledger_hourly_view;
DROP TABLE IF EXISTS ledger_hourly;
CREATE TABLE ledger_hourly (
  merchant_id Int64,
  program_id  Int64,
  partner_id  Int64,
  link_id     Int64,
  currency    LowCardinality(String),
  further     Bool,
  role        LowCardinality(String),
  unit        LowCardinality(String),
  hour        DateTime('UTC'), -- of the order
  orders      Int64,
  revenue     Int64,
  refunded    Int64,
  gross       Int64,
  net         Int64,
  fee         Int64,
  pending     Int64,
  payable     Int64
) ENGINE = SummingMergeTree
ORDER BY (merchant_id, program_id, partner_id, link_id, currency, further, role, unit, hour)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

INSERT INTO ledger_hourly
SELECT merchant_id, program_id, partner_id, link_id, currency, further, role, unit, toStartOfHour(ordered_at) AS hour,
       sum(toInt64(ledger.orders)) AS orders, sum(ledger.revenue) AS revenue, sum(ledger.refunded) AS refunded,
       sum(ledger.gross) AS gross, sum(ledger.net) AS net, sum(ledger.fee) AS fee,
       sum(ledger.pending) AS pending, sum(ledger.payable) AS payable
FROM ledger GROUP BY merchant_id, program_id, partner_id, link_id, currency, further, role, unit, hour
SETTINGS max_bytes_before_external_group_by = 268435456;

CREATE MATERIALIZED VIEW ledger_hourly_view TO ledger_hourly AS
SELECT merchant_id, program_id, partner_id, link_id, currency, further, role, unit, toStartOfHour(ordered_at) AS hour,
       sum(toInt64(ledger.orders)) AS orders, sum(ledger.revenue) AS revenue, sum(ledger.refunded) AS refunded,
       sum(ledger.gross) AS gross, sum(ledger.net) AS net, sum(ledger.fee) AS fee,
       sum(ledger.pending) AS pending, sum(ledger.payable) AS payable
FROM ledger GROUP BY merchant_id, program_id, partner_id, link_id, currency, further, role, unit, hour;
