-- The facts that the orders numbered $1 are folded from, of each order the sale before its additions, with all their columns.
SELECT k.no, e.kind, e.ref, e.event_id, e.occurred_at, e.received_at, e.content_hash, e.payload, e.api_key_id, e.ip_prefix,
       e.imported
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT * FROM order_event WHERE order_no = k.no ORDER BY kind, ref OFFSET 0) e
