-- Orders that were reported more than 48 hours after they were placed, newest first, of one merchant or of all.
SELECT o.no, o.merchant_id, m.name AS merchant, o.order_id, o.occurred_at, o.received_at, o.currency, o.amount, o.outcome,
       coalesce(c.partner, '') AS partner, coalesce(c.net, 0) AS net, coalesce(c.state, '') AS state,
       e.api_key_id AS key_id, e.ip_prefix AS network
  FROM orders o
  JOIN merchant m ON m.id = o.merchant_id
  JOIN order_event e ON e.order_no = o.no AND e.kind = 1
  LEFT JOIN LATERAL (
        SELECT string_agg(DISTINCT p.name, ', ') AS partner, sum(x.net) FILTER (WHERE x.unit = x.currency)::bigint AS net,
               (array_agg(x.state ORDER BY x.leads DESC, x.partner_id))[1] AS state
          FROM commission x LEFT JOIN partner p ON p.id = x.partner_id WHERE x.order_no = o.no) c ON true
 WHERE o.late AND o.keys = 0
   AND (@merchant::bigint = 0 OR o.merchant_id = @merchant)
   AND o.occurred_at >= @from AND o.occurred_at < @to
   AND (o.occurred_at, o.no) < (@at, @no::bigint)
 ORDER BY o.occurred_at DESC, o.no DESC
 LIMIT @limit
