-- How customers stood by the orders that $1 to $4 name. The rest of a row is for who holds the order's lane to change.
UPDATE customer_seen s SET view = n.view::json
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[]) n (merchant_id, customer_id, at, ref, view)
 WHERE (s.merchant_id, s.customer_id, s.at, s.ref) = (n.merchant_id, n.customer_id, n.at, n.ref)
