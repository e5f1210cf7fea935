-- Of each place $1 to $4 in the orders of a customer: the customer's last order.
SELECT k.n, s.order_no, s.at, s.ref, s.sale, s.void, s.offer, s.view
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) WITH ORDINALITY k (merchant, customer, at, ref, n)
 CROSS JOIN LATERAL (SELECT * FROM customer_seen WHERE merchant_id = k.merchant AND customer_id = k.customer ORDER BY at DESC, ref DESC LIMIT 1) s
