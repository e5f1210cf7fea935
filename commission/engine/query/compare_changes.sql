-- Holds at most $2 changes of lane $1 that were not looked at against the others. It gives those of which there is another such that neither
-- transaction saw the other's, each with these others, and takes off what is needed no more.
WITH fresh AS MATERIALIZED (
  SELECT no FROM customer_change WHERE lane = $1 AND compared IS NULL ORDER BY no LIMIT $2
), marked AS (
  UPDATE customer_change SET compared = pg_snapshot_xmax(pg_current_snapshot()) WHERE no IN (SELECT no FROM fresh)
), over AS (
  DELETE FROM customer_change WHERE lane = $1 AND compared <= pg_snapshot_xmin(pg_current_snapshot())
     AND (SELECT count(*) FROM fresh) < $2
), apart AS MATERIALIZED (
  SELECT a.no, b.no AS other
    FROM customer_change a JOIN customer_change b ON b.lane = $1 AND b.no <> a.no
   WHERE a.no IN (SELECT no FROM fresh) AND (b.compared IS NOT NULL OR b.no IN (SELECT no FROM fresh))
     AND NOT pg_visible_in_snapshot(a.xid, b.seen) AND NOT pg_visible_in_snapshot(b.xid, a.seen)
), others AS (
  SELECT no, array_agg(other) AS others FROM (SELECT no, other FROM apart UNION SELECT other, no FROM apart) both_ways GROUP BY no
)
SELECT c.no, o.others, c.merchants, c.customers, c.ats, c.refs,
       coalesce(c.quiet, array_fill(false, ARRAY[cardinality(c.merchants)])) FROM others o JOIN customer_change c USING (no) ORDER BY c.no
