-- The facts that the orders numbered $1 are folded from, of each order the sale before its additions.
SELECT k.no, e.kind, e.ref, e.content_hash, e.payload
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT kind, ref, content_hash, payload FROM order_event WHERE order_no = k.no ORDER BY kind, ref OFFSET 0) e
