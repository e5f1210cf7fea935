-- The facts that the orders numbered $1 are folded from, with all their columns.
SELECT e.order_no, e.kind, e.ref, e.event_id, e.occurred_at, e.received_at, e.content_hash, e.payload
  FROM unnest($1::bigint[]) k (no) JOIN order_event e ON e.order_no = k.no
