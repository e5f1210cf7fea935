-- What stands of the orders that the merchants $1 call $2: one row for each that is known.
SELECT k.n, o.no, o.version, o.decision, o.released_until
  FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY k (merchant, id, n)
 CROSS JOIN LATERAL (SELECT no, version, decision, released_until FROM orders WHERE merchant_id = k.merchant AND order_id = k.id OFFSET 0) o
