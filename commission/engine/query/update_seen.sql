-- The new state of orders that the customer fold has seen already, $1 to $4 naming them.
UPDATE customer_seen s SET sale = n.sale, void = n.void, offer = n.offer::json, view = n.view::json
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::boolean[], $6::boolean[], $7::text[], $8::text[])
       n (merchant_id, customer_id, at, ref, sale, void, offer, view)
 WHERE (s.merchant_id, s.customer_id, s.at, s.ref) = (n.merchant_id, n.customer_id, n.at, n.ref)
