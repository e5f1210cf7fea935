-- What operators said about the customers $1, $2.
SELECT k.n, e.from_at, e.no, e.program_id, e.partner_id, e.months
  FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY k (merchant, customer, n)
 CROSS JOIN LATERAL (SELECT * FROM customer_event WHERE merchant_id = k.merchant AND customer_id = k.customer OFFSET 0) e
 WHERE EXISTS (SELECT FROM customer_event WHERE merchant_id = ANY ($1)) -- looked at once: most merchants have none
 ORDER BY k.n, e.from_at, e.no
