-- What people decided about the orders numbered $1, whose keys are $2, as far as it was taken in.
SELECT k.no, i.ref, i.at, i.side, i.content, i.key
  FROM unnest($1::bigint[], $2::bytea[]) k (no, key)
 CROSS JOIN LATERAL (SELECT ref, at, side, content, key FROM inbox i
                      WHERE i.key = k.key AND i.kind = 'review' AND EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no AND t.problem = '') OFFSET 0) i
