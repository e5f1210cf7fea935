-- Of each place $1 to $4 in the orders of a customer: the order behind it, the order there, if there is one, and the one before it, the later first.
SELECT k.n, s.order_no, s.at, s.ref, s.sale, s.void, s.offer, s.view
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) WITH ORDINALITY k (merchant, customer, at, ref, n)
 CROSS JOIN LATERAL (
       (SELECT * FROM customer_seen WHERE merchant_id = k.merchant AND customer_id = k.customer AND (at, ref) > (k.at, k.ref)
         ORDER BY at, ref LIMIT 1)
       UNION ALL
       (SELECT * FROM customer_seen WHERE merchant_id = k.merchant AND customer_id = k.customer AND (at, ref) <= (k.at, k.ref)
         ORDER BY at DESC, ref DESC LIMIT 2)) s
 ORDER BY k.n, s.at DESC, s.ref DESC
