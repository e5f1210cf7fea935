-- A credit may be in another unit than its order. Credits share an order unit by unit, so the sum of their weights is one of
-- each unit; a partner sees those of its own.

-- +goose Up
DROP VIEW scoped_order_event;
DROP VIEW scoped_order;
CREATE VIEW scoped_order AS
  SELECT o.no, o.merchant_id, o.order_id, o.version, o.late,
         (SELECT coalesce(jsonb_object_agg(unit, weight), '{}')
            FROM (SELECT coalesce(c ->> 'unit', o.currency) AS unit, sum((c ->> 'weight')::bigint)::bigint AS weight
                    FROM json_array_elements(o.decision -> 'credits') c WHERE c ->> 'weight' IS NOT NULL
                   GROUP BY 1
                  HAVING (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant()) OR bool_or((c ->> 'partner')::bigint = (SELECT app_partner()))) w) AS whole,
         CASE WHEN (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant()) THEN o.decision::text
              ELSE partner_record(o.decision::jsonb, (SELECT app_partner())) END AS record
    FROM orders o
   WHERE (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant())
      OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = (SELECT app_partner()));
CREATE VIEW scoped_order_event AS
  SELECT e.order_no, e.kind, e.ref, e.occurred_at, e.received_at
    FROM order_event e WHERE EXISTS (SELECT FROM scoped_order o WHERE o.no = e.order_no);
GRANT SELECT ON scoped_order, scoped_order_event TO tributary_dashboard;
