-- Orders that await a decision of a person, newest first: those with a commission on hold, those that were reported again with other
-- content within 90 days and not reviewed since, and those for which one side alone has asked that such a report stand.
WITH waiting (no, why, asked_by) AS (
  SELECT c.order_no, 'held', NULL FROM commission c
   WHERE c.state = 'held' AND (@merchant::bigint = 0 OR c.merchant_id = @merchant)
   UNION ALL
  SELECT x.order_no, CASE WHEN r.asked_by IS NULL THEN 'conflict' ELSE 'asked' END, r.asked_by
    FROM order_conflict x
    JOIN orders o ON o.no = x.order_no
   CROSS JOIN LATERAL (
         SELECT max(v ->> 'by') FILTER (WHERE v ->> 'no_effect' = 'needs_other_side') AS asked_by,
                max((v ->> 'at')::timestamptz) FILTER (WHERE v ->> 'no_effect' IS NULL) AS reviewed
           FROM json_array_elements(coalesce(o.decision -> 'order' -> 'reviews', '[]')) v) r
   WHERE x.reason = 'other_content' AND x.received_at > now() - interval '90 days' AND (@merchant = 0 OR x.merchant_id = @merchant)
     AND (r.asked_by IS NOT NULL OR r.reviewed IS NULL OR r.reviewed < x.received_at)),
orders_waiting AS (
  SELECT no, array_agg(DISTINCT why ORDER BY why DESC) AS why, coalesce(max(asked_by), '') AS asked_by FROM waiting GROUP BY no
  HAVING @why::text = '' OR bool_or(why = @why))
SELECT o.no, o.merchant_id, m.name AS merchant, o.order_id, o.occurred_at, coalesce(o.currency, '') AS currency, o.amount, o.outcome,
       coalesce(c.partner, '') AS partner, coalesce(c.net, 0) AS net, coalesce(c.state, '') AS state, w.why, w.asked_by
  FROM orders_waiting w
  JOIN orders o ON o.no = w.no
  JOIN merchant m ON m.id = o.merchant_id
  LEFT JOIN LATERAL (
        SELECT string_agg(DISTINCT p.name, ', ') AS partner, sum(x.net) FILTER (WHERE x.unit = x.currency)::bigint AS net,
               (array_agg(x.state ORDER BY x.state = 'held' DESC, x.leads DESC, x.partner_id))[1] AS state
          FROM commission x LEFT JOIN partner p ON p.id = x.partner_id WHERE x.order_no = o.no) c ON true
 WHERE o.occurred_at >= @from AND o.occurred_at < @to AND (o.occurred_at, o.no) < (@at, @no::bigint)
   AND (@text::text = '' OR position(lower(@text) IN lower(o.order_id || ' ' || o.customer_id)) > 0)
 ORDER BY o.occurred_at DESC, o.no DESC
 LIMIT @limit
