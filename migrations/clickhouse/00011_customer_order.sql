-- Orders by customer: what is left of each order for each who earns on it, and for nobody under partner 0. An order that moved to
-- another partner leaves a row that sums to 0. It stands once in the rows that are not further and have orders. What periods pay
-- stands under order 0 and no customer. The sums are made anew from the rows; should this be broken off, it begins again.

-- +goose Up
DROP VIEW IF EXISTS customer_order_view;
DROP TABLE IF EXISTS customer_order;
CREATE TABLE customer_order (
  merchant_id Int64,
  customer_id String, -- the merchant's id of the customer, empty where the order names none
  order_no    Int64,
  order_id    String,
  ordered_at  DateTime64(6, 'UTC'),
  currency    LowCardinality(String),
  further     Bool,
  role        LowCardinality(String),
  unit        LowCardinality(String),
  program_id  Int64,
  partner_id  Int64,
  link_id     Int64,
  orders      Int64,
  revenue     Int64,
  refunded    Int64,
  net         Int64,
  fee         Int64
) ENGINE = SummingMergeTree
PRIMARY KEY (merchant_id, customer_id, order_no)
ORDER BY (merchant_id, customer_id, order_no, order_id, ordered_at, currency, further, role, unit, program_id, partner_id, link_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

INSERT INTO customer_order
SELECT merchant_id, customer_id, order_no, order_id, ordered_at, currency, further, role, unit, program_id, partner_id, link_id,
       sum(toInt64(ledger.orders)) AS orders, sum(ledger.revenue) AS revenue, sum(ledger.refunded) AS refunded,
       sum(ledger.net) AS net, sum(ledger.fee) AS fee
FROM ledger GROUP BY merchant_id, customer_id, order_no, order_id, ordered_at, currency, further, role, unit, program_id, partner_id, link_id
SETTINGS max_bytes_before_external_group_by = 268435456;

CREATE MATERIALIZED VIEW customer_order_view TO customer_order AS
SELECT merchant_id, customer_id, order_no, order_id, ordered_at, currency, further, role, unit, program_id, partner_id, link_id,
       sum(toInt64(ledger.orders)) AS orders, sum(ledger.revenue) AS revenue, sum(ledger.refunded) AS refunded,
       sum(ledger.net) AS net, sum(ledger.fee) AS fee
FROM ledger GROUP BY merchant_id, customer_id, order_no, order_id, ordered_at, currency, further, role, unit, program_id, partner_id, link_id;
