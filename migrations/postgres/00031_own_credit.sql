-- A partner sees of an order what concerns its own credit only. The rows of an order and of its events are the merchant's, and
-- say what others earn, who the customer is and which key reported it; what a partner sees of them stands in two views.

-- +goose Up
ALTER POLICY tenant ON orders USING ((SELECT app_operator()) OR merchant_id = (SELECT app_merchant()));

-- The record of a decision as it concerns one partner: its credits, its touches, and of coupon and customer only what became
-- of them. A credit that has the prices of the one before it gets them back; what partners have together is left out of those
-- that share it. It names what it takes over, so that nothing new in a later form is shown before this function knows it.
CREATE FUNCTION partner_record(record jsonb, partner bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  '{' || coalesce('"form":' || (record ->> 'form') || ',', '') || ltrim(jsonb_build_object(
    'outcome', record -> 'outcome',
    'order', record -> 'order',
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

-- Orders as the tenant may see them. Like the other views they run as their owner, so each says itself whom it shows what.
CREATE VIEW scoped_order AS
  SELECT o.no, o.merchant_id, o.order_id, o.version, o.late,
         (SELECT coalesce(sum((c ->> 'weight')::bigint), 0)::bigint FROM json_array_elements(o.decision -> 'credits') c) AS whole,
         CASE WHEN (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant()) THEN o.decision::text
              ELSE partner_record(o.decision::jsonb, (SELECT app_partner())) END AS record
    FROM orders o
   WHERE (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant())
      OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = (SELECT app_partner()));
CREATE VIEW scoped_order_event AS
  SELECT e.order_no, e.kind, e.ref, e.occurred_at, e.received_at
    FROM order_event e WHERE EXISTS (SELECT FROM scoped_order o WHERE o.no = e.order_no);
GRANT SELECT ON scoped_order, scoped_order_event TO tributary_dashboard;
