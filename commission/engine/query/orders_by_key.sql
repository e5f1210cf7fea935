-- What stands of the orders that the merchants $1 call $2: one row for each that is known.
SELECT k.n, o.no, o.version, o.decision
  FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY k (merchant, id, n)
  JOIN orders o ON o.merchant_id = k.merchant AND o.order_id = k.id
