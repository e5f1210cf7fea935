-- The events as they came, and what the pages count. Plain MergeTree: rows never collapse, so a count is exact. Every
-- row says where in Kafka it stood. Tables are partitioned by the month of receipt, which the loader cuts its batches
-- at: one batch is one part of one partition, written whole or not at all. The rollups have no partitions for the same
-- reason.
--
-- Settings of all tables: the tokens of the last 10,000 inserts are remembered (the loader relies on it, and tests it at
-- its start); a part is on the disk before its insert is answered; and a part up to 64 MiB keeps all columns in one
-- file, so that an insert of 50,000 clicks syncs 14 files and not 116.

-- +goose Up
CREATE TABLE setting (
  name  String,
  value String
) ENGINE = MergeTree ORDER BY name;
INSERT INTO setting (name, value) VALUES ('format', '3'); -- migrations.Format

CREATE TABLE touch (
  event_id    UUID,
  kind        Enum8('click' = 1, 'impression' = 2),
  received_at DateTime64(6, 'UTC'),
  occurred_at DateTime64(6, 'UTC'),
  merchant_id Int64,
  program_id  Int64,
  partner_id  Int64,
  link_id     Int64,
  click_id    String CODEC(ZSTD(1)), -- half of what a row takes; random base64, of which LZ4 saves nothing and ZSTD a quarter
  marks       UInt32, -- bits: 1 bot, 2 duplicate, 4 embedded; 0 counts
  sub1        String,
  sub2        String,
  sub3        String,
  sub4        String,
  sub5        String,
  referrer    String,
  user_agent  String,
  ip_prefix   String,
  browser     LowCardinality(String),
  os          LowCardinality(String),
  device      LowCardinality(String),
  bot         LowCardinality(String),
  _partition  UInt16,
  _offset     UInt64,
  _spool      UUID,
  _seq        UInt64
) ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (merchant_id, program_id, partner_id, occurred_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

CREATE TABLE touch_hourly (
  merchant_id Int64,
  program_id  Int64,
  partner_id  Int64,
  link_id     Int64,
  hour        DateTime('UTC'),
  clicks      UInt64, -- those that count
  marked      UInt64, -- bots, duplicates and embedded requests
  impressions UInt64
) ENGINE = SummingMergeTree
ORDER BY (merchant_id, program_id, partner_id, link_id, hour)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

CREATE MATERIALIZED VIEW touch_hourly_view TO touch_hourly AS
SELECT merchant_id, program_id, partner_id, link_id, toStartOfHour(occurred_at) AS hour,
       countIf(kind = 'click' AND marks = 0) AS clicks,
       countIf(marks != 0) AS marked,
       countIf(kind = 'impression' AND marks = 0) AS impressions
FROM touch GROUP BY merchant_id, program_id, partner_id, link_id, hour;

CREATE TABLE order_event (
  event_id    UUID,
  kind        Enum8('sale' = 1, 'refund' = 2),
  received_at DateTime64(6, 'UTC'),
  occurred_at DateTime64(6, 'UTC'),
  merchant_id Int64,
  order_id    String,
  ref         String,  -- a refund's own id
  currency    LowCardinality(String), -- of a refund only where it states one
  amount      Int64,   -- minor units: of a sale the sum of its lines, of a refund what it names
  click_id    String,
  coupon      String,
  customer_id String,
  `line.number`   Array(Int64),
  `line.sku`      Array(String),
  `line.quantity` Array(Int64),
  `line.amount`   Array(Int64),
  `line.category` Array(LowCardinality(String)),
  `line.whole`    Array(Bool), -- of a refund's items: all that is left
  whole_order  Bool, -- of a refund: all that is left
  api_key_id   Int64,  -- the key that reported it, 0 for an import
  ip_prefix    String, -- where from, cut off as with clicks
  imported     Bool,
  content_hash String,
  _partition  UInt16,
  _offset     UInt64,
  _spool      UUID,
  _seq        UInt64
) ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (merchant_id, occurred_at, order_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

CREATE TABLE ledger (
  event_id    UUID,
  received_at DateTime64(6, 'UTC'), -- when it was posted
  occurred_at DateTime64(6, 'UTC'), -- when it took effect
  ordered_at  DateTime64(6, 'UTC'),
  order_no    Int64,
  version     Int32,
  step        Int32,
  merchant_id Int64,
  program_id  Int64,
  partner_id  Int64,
  link_id     Int64,
  order_id    String,
  customer_id String,
  currency    LowCardinality(String),
  cause       LowCardinality(String),
  orders      Int32,
  revenue     Int64,
  refunded    Int64,
  gross       Int64,
  net         Int64,
  fee         Int64,
  pending     Int64,
  payable     Int64,
  fee_pending Int64,
  fee_earned  Int64,
  _partition  UInt16,
  _offset     UInt64,
  _spool      UUID,
  _seq        UInt64
) ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (merchant_id, program_id, partner_id, ordered_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

CREATE TABLE ledger_hourly (
  merchant_id Int64,
  program_id  Int64,
  partner_id  Int64,
  link_id     Int64,
  currency    LowCardinality(String),
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
ORDER BY (merchant_id, program_id, partner_id, link_id, currency, hour)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864;

CREATE MATERIALIZED VIEW ledger_hourly_view TO ledger_hourly AS
SELECT merchant_id, program_id, partner_id, link_id, currency, toStartOfHour(ordered_at) AS hour,
       sum(toInt64(ledger.orders)) AS orders, sum(ledger.revenue) AS revenue, sum(ledger.refunded) AS refunded,
       sum(ledger.gross) AS gross, sum(ledger.net) AS net, sum(ledger.fee) AS fee,
       sum(ledger.pending) AS pending, sum(ledger.payable) AS payable
FROM ledger GROUP BY merchant_id, program_id, partner_id, link_id, currency, hour;
