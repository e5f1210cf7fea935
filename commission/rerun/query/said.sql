-- What people said about the orders numbered $1, whose keys are $2, as far as it was taken in. Beside each is the conflicting
-- report that it names, as one that is to stand in place of the first does.
SELECT k.no, s.kind, s.ref, s.at, s.side, s.content, s.key,
       (SELECT payload FROM order_conflict x
         WHERE x.order_no = k.no AND x.content_hash = decode(substring(encode(s.content, 'escape') FROM '"report":"([0-9a-f]{32})"'), 'hex')
         ORDER BY x.received_at, x.event_id LIMIT 1)
  FROM unnest($1::bigint[], $2::bytea[]) k (no, key)
 CROSS JOIN LATERAL (SELECT kind, ref, at, side, content, key FROM order_said WHERE key = k.key OFFSET 0) s
