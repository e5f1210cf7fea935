-- Orders of a merchant by their time, newest first; those of which only a refund is known have none, and come last, by
-- number. Of several commissions on one order the list has the names, the sums, and the state of the first; those of one partner where one is asked for.
SELECT o.no, o.order_id, o.occurred_at, coalesce(o.currency, '') AS currency, o.goal, o.keys = 1 AS test, o.keys = 2 AS clicks,
       EXISTS (SELECT FROM order_event e WHERE e.order_no = o.no AND e.kind = 4) AS added, o.lines, o.amount, o.refunded, o.customer_id, o.outcome, o.over_refund, o.refund_oddities, o.late, o.received_at,
       EXISTS (SELECT FROM order_conflict x WHERE x.order_no = o.no) AS conflict,
       coalesce(c.partner, '') AS partner, coalesce(c.net, 0) AS net, coalesce(c.fee, 0) AS fee, coalesce(c.state, '') AS state
  FROM orders o
  LEFT JOIN LATERAL (
        SELECT string_agg(DISTINCT p.name, ', ') AS partner, sum(x.net) FILTER (WHERE x.unit = x.currency)::bigint AS net,
               sum(x.fee) FILTER (WHERE x.unit = x.currency)::bigint AS fee, (array_agg(x.state ORDER BY x.leads DESC, x.partner_id))[1] AS state
          FROM commission x LEFT JOIN partner p ON p.id = x.partner_id
         WHERE x.order_no = o.no AND (@partner::bigint = 0 OR x.partner_id = @partner)) c ON true
 WHERE o.merchant_id = @merchant
   AND (@outcome::text IN ('', 'nobody') OR split_part(o.outcome, ':', 1) = @outcome)
   AND (@outcome <> 'nobody' OR o.outcome <> 'credited')
   AND (@oddity::text <> 'over_refund' OR o.refund_oddities > 0)
   AND (@oddity <> 'late' OR o.late)
   AND (@oddity <> 'test' OR o.keys = 1)
   AND (@oddity <> 'added' OR EXISTS (SELECT FROM order_event e WHERE e.order_no = o.no AND e.kind = 4))
   AND (@goal::text IN ('', 'sale') OR o.goal = @goal)
   AND (@goal <> 'sale' OR o.goal = '')
   AND (@oddity <> 'conflict' OR EXISTS (SELECT FROM order_conflict x WHERE x.order_no = o.no))
   AND (@currency::text = '' OR o.currency = @currency)
   AND (@coupon::text = '' OR json_typeof(o.decision -> 'touches') = 'array' AND EXISTS (
        SELECT FROM json_array_elements(o.decision -> 'touches') t
         WHERE t ->> 'kind' IN ('coupon', 'code') AND normalize(casefold(normalize(btrim(t ->> 'id', E' \t\r\n'), NFC) COLLATE pg_unicode_fast), NFC) = @coupon))
   AND (@partner = 0 OR EXISTS (SELECT FROM commission x WHERE x.order_no = o.no AND x.partner_id = @partner))
   AND (@text::text = '' OR position(lower(@text) IN lower(o.order_id || ' ' || o.customer_id)) > 0)
   AND (@key::bigint = 0
        OR EXISTS (SELECT FROM order_event e WHERE e.order_no = o.no AND e.api_key_id = @key AND e.api_key_id <> 0)
        OR EXISTS (SELECT FROM order_conflict x WHERE x.order_no = o.no AND x.api_key_id = @key AND x.api_key_id <> 0))
