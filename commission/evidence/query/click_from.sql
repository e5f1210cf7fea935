-- Of each place $1 to $4 in the orders that name a click id: the order before it, and at most $5 from it on, in their order.
SELECT k.n, s.order_no, s.merchant_id, s.click_id, s.at, s.ref, s.customer_id, s.void, s.use
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) WITH ORDINALITY k (merchant, click, at, ref, n)
 CROSS JOIN LATERAL (
       (SELECT * FROM click_use WHERE merchant_id = k.merchant AND click_id = k.click AND (at, ref) < (k.at, k.ref)
         ORDER BY at DESC, ref DESC LIMIT 1)
       UNION ALL
       (SELECT * FROM click_use WHERE merchant_id = k.merchant AND click_id = k.click AND (at, ref) >= (k.at, k.ref)
         ORDER BY at, ref LIMIT $5)) s
 ORDER BY k.n, s.at, s.ref
