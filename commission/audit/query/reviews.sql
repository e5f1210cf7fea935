-- What people decided about the orders numbered $1, whose keys are $2, as far as it was taken in. Claims that wait for their order are
-- no part of it yet.
SELECT k.no, i.kind, i.ref, i.at, i.side, i.content, i.key
  FROM unnest($1::bigint[], $2::bytea[]) k (no, key)
 CROSS JOIN LATERAL (SELECT kind, ref, at, side, content, key FROM inbox i
                      WHERE i.key = k.key AND i.kind IN ('review', 'claim', 'dispute') AND EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no AND t.problem = '')
                        AND NOT EXISTS (SELECT FROM claim_waiting w WHERE w.no = i.no) OFFSET 0) i
