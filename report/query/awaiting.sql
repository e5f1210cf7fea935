-- Orders that await a decision of a person, newest first. waiting.sql stands in front.
, orders_waiting AS (
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
