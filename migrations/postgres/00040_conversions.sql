-- Orders that are no sales, test orders, and additions: later reports that say how the customer came.

-- +goose Up
-- A test order has a key of its own, so it may have the id of another order. The kinds of key are those of internal/event.
ALTER TABLE orders
  ADD COLUMN keys smallint NOT NULL DEFAULT 0 CHECK (keys IN (0, 1)), -- 0 as a merchant reports it, 1 a test order
  ADD COLUMN goal text     NOT NULL DEFAULT '', -- empty for a sale
  DROP CONSTRAINT orders_merchant_id_order_id_key,
  ADD CONSTRAINT orders_key UNIQUE (merchant_id, order_id, keys);
CREATE INDEX orders_goal ON orders (merchant_id, goal, occurred_at, no) WHERE goal <> '';
CREATE INDEX orders_test ON orders (merchant_id, occurred_at, no) WHERE keys = 1;

ALTER TABLE order_event
  DROP CONSTRAINT order_event_kind_check,
  ADD CONSTRAINT order_event_kind_check CHECK (kind IN (1, 2, 4)); -- 1 sale, 2 refund, 4 addition, whose ref is the hash of its content

-- A partner sees neither the merchant's own marks on an order nor what additions brought, which may be somebody else's.
CREATE OR REPLACE FUNCTION partner_record(record jsonb, partner bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  '{' || coalesce('"form":' || (record ->> 'form') || ',', '') || ltrim(jsonb_build_object(
    'outcome', record -> 'outcome',
    'order', (record -> 'order') - ARRAY['metadata', 'added'],
    'touches', (
      SELECT jsonb_agg(CASE WHEN t ? 'partner' THEN t ELSE jsonb_build_object('kind', t -> 'kind', 'reason', t -> 'reason') END ORDER BY n)
        FROM jsonb_array_elements(record -> 'touches') WITH ORDINALITY e (t, n)
       WHERE (t ->> 'partner')::bigint = partner OR NOT t ? 'partner' AND t ->> 'kind' IN ('coupon', 'customer')),
    'credits', (
      SELECT jsonb_agg(coalesce(p.prices, '{}') || CASE WHEN c ? 'weight' THEN c - 'fee_exact' ELSE c END ORDER BY n)
        FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY e (c, n)
        LEFT JOIN LATERAL (
              SELECT jsonb_build_object('rules', f -> 'rules', 'priced', f -> 'priced') AS prices
                FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY first (f, m)
               WHERE m <= n AND f ? 'rules' ORDER BY m DESC LIMIT 1) p ON true
       WHERE (c ->> 'partner')::bigint = partner))::text, '{');

CREATE OR REPLACE VIEW scoped_order_event AS
  SELECT e.order_no, e.kind, e.ref, e.occurred_at, e.received_at
    FROM order_event e
   WHERE EXISTS (SELECT FROM scoped_order o WHERE o.no = e.order_no)
     AND (e.kind <> 4 OR (SELECT app_operator()) OR (SELECT app_merchant()) IS NOT NULL);
