-- What people decided about the orders numbered $1, whose keys are $2, as far as it was taken in. Claims that wait for their order are
-- no part of it yet. Beside each is the conflicting report that it names, as one that is to stand in place of the first does.
SELECT k.no, i.kind, i.ref, i.at, i.side, i.content, i.key,
       (SELECT payload FROM order_conflict x
         WHERE x.order_no = k.no AND x.content_hash = decode(substring(encode(i.content, 'escape') FROM '"report":"([0-9a-f]{32})"'), 'hex')
         ORDER BY x.received_at, x.event_id LIMIT 1)
  FROM unnest($1::bigint[], $2::bytea[]) k (no, key)
 CROSS JOIN LATERAL (SELECT kind, ref, at, side, content, key FROM inbox i
                      WHERE i.key = k.key AND i.kind IN ('review', 'claim', 'dispute') AND EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no AND t.problem = '')
                        AND NOT EXISTS (SELECT FROM claim_waiting w WHERE w.no = i.no) OFFSET 0) i
