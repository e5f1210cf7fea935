-- Rates that are entered here are left out of those that stand: those of this transaction. They were told by a lower number, which also
-- left out what another transaction committed that began later and took the positions first. The time until which a rate of the past
-- is used then reached too far: it was refused for commissions that the other one's rate converts, and orders were decided again in vain.

-- +goose Up
CREATE OR REPLACE FUNCTION past_rates(bases text[], quotes text[], sources text[], begins timestamptz[])
RETURNS TABLE (n bigint, until timestamptz, converted timestamptz, order_no bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  WITH added AS MATERIALIZED (
    SELECT g.* FROM unnest(bases, quotes, sources, begins) WITH ORDINALITY g (base, quote, source, at, n)
  ), timed AS MATERIALIZED (
    SELECT t.*, coalesce(min(t.at) FILTER (WHERE t.n IS NULL)
             OVER (PARTITION BY t.base, t.quote, t.source ORDER BY t.at DESC RANGE UNBOUNDED PRECEDING EXCLUDE GROUP), 'infinity') AS until
      FROM (SELECT * FROM added
             UNION ALL
            SELECT r.base, r.quote, r.source, r.effective_from, NULL FROM fx_rate r
             WHERE (r.base, r.quote, r.source) IN (SELECT a.base, a.quote, a.source FROM added a) AND r.written <> pg_current_xact_id()) t
  ), gap AS (
    SELECT DISTINCT t.base, t.quote, t.source, t.until FROM timed t WHERE t.n IS NOT NULL
  ), last AS (
    SELECT DISTINCT ON (g.base, g.quote, g.source, g.until) g.*, c.occurred_at, c.order_no
      FROM gap g
      JOIN rates_convert(bases, quotes, sources) v USING (base, quote, source)
     CROSS JOIN LATERAL (
           (SELECT x.occurred_at, x.order_no FROM commission x WHERE x.currency = v.one AND x.unit = v.other AND x.unit <> x.currency AND x.unit <> 'POINT'
               AND x.occurred_at < g.until ORDER BY x.occurred_at DESC, x.order_no DESC LIMIT 1)
            UNION ALL
           (SELECT x.occurred_at, x.order_no FROM commission x WHERE x.currency = v.other AND x.unit = v.one AND x.unit <> x.currency AND x.unit <> 'POINT'
               AND x.occurred_at < g.until ORDER BY x.occurred_at DESC, x.order_no DESC LIMIT 1)) c
     ORDER BY g.base, g.quote, g.source, g.until, c.occurred_at DESC, c.order_no DESC
  )
  SELECT t.n, t.until, l.occurred_at, l.order_no FROM timed t LEFT JOIN last l USING (base, quote, source, until) WHERE t.n IS NOT NULL
$$;
