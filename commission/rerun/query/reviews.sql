-- What people decided about the orders numbered $1, whose keys are $2, as far as it was taken in.
SELECT k.no, r.ref, r.at, r.side, r.content, r.key
  FROM unnest($1::bigint[], $2::bytea[]) k (no, key)
 CROSS JOIN LATERAL (SELECT ref, at, side, content, key FROM order_review WHERE key = k.key OFFSET 0) r
