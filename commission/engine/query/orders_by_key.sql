-- What stands of the orders that the merchants $1 call $2, of the kinds of key $3: one row for each that is known.
SELECT k.n, o.no, o.version, o.decision, o.released_until
  FROM unnest($1::bigint[], $2::text[], $3::smallint[]) WITH ORDINALITY k (merchant, id, keys, n)
 CROSS JOIN LATERAL (SELECT no, version, decision, released_until FROM orders
                      WHERE merchant_id = k.merchant AND order_id = k.id AND keys = k.keys OFFSET 0) o
