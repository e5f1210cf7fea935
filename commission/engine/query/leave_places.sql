-- Orders that are no longer at the places $2 to $5 among those of a customer, whose lane is $1, as another report stands in place of the first.
WITH gone AS (
  DELETE FROM customer_seen s USING unnest($1::int[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[]) n (lane, merchant_id, customer_id, at, ref)
   WHERE (s.merchant_id, s.customer_id, s.at, s.ref) = (n.merchant_id, n.customer_id, n.at, n.ref)
  RETURNING n.lane, s.merchant_id, s.customer_id, s.at, s.ref)
INSERT INTO customer_touched (lane, merchant_id, customer_id, at, ref) SELECT lane, merchant_id, customer_id, at, ref FROM gone
