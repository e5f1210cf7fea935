-- The cells of the periods numbered $1. A sum that is beyond what is settled is cut where that shows.
SELECT k.no, c.day - date '1970-01-01', c.says, c.hold_s, c.effective - date '1970-01-01',
       greatest(least(c.count, 1e18), -1e18)::bigint, greatest(least(c.revenue, 1e18), -1e18)::bigint, greatest(least(c.commission, 1e18), -1e18)::bigint
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT * FROM period_cell WHERE period = k.no OFFSET 0) c
