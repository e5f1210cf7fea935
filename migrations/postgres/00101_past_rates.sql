-- A rate of the past may be entered although there are orders, where nobody has a commission that it would have converted: what is on
-- the books stays as it is, and orders that lacked the rate are decided again. Whoever enters one holds the positions of the engines
-- until it is committed, so that no decision by the earlier rates comes in between.

-- +goose Up
CREATE INDEX commission_converted ON commission (currency, unit, occurred_at, order_no) WHERE unit <> currency AND unit <> 'POINT';
CREATE INDEX orders_no_rate ON orders (occurred_at) WHERE outcome = 'no_rate';
-- Orders on which nobody has a commission, and for which a rate may matter all the same.
CREATE INDEX orders_unconverted ON orders (merchant_id, currency, occurred_at)
  WHERE outcome IN ('no_rate', 'cannot_be_priced', 'no_rule') OR outcome LIKE 'restricted:%' OR keys = 1;

-- Between which currencies the rates of a pair convert: the two themselves, and either of them and a third to which the source has
-- rates of the other, entered or given here.
CREATE FUNCTION rates_convert(bases text[], quotes text[], sources text[]) RETURNS TABLE (base text, quote text, source text, one text, other text)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  WITH pair AS MATERIALIZED (SELECT DISTINCT g.base, g.quote, g.source FROM unnest(bases, quotes, sources) g (base, quote, source)),
       known AS MATERIALIZED (SELECT * FROM pair UNION SELECT r.base, r.quote, r.source FROM fx_rate r WHERE r.source IN (SELECT p.source FROM pair p)),
       leg AS (SELECT k.source, k.base AS one, k.quote AS other FROM known k UNION SELECT k.source, k.quote, k.base FROM known k)
  SELECT p.base, p.quote, p.source, p.base, p.quote FROM pair p
   UNION SELECT p.base, p.quote, p.source, p.quote, l.other FROM pair p JOIN leg l ON l.source = p.source AND l.one = p.base  AND l.other <> p.quote
   UNION SELECT p.base, p.quote, p.source, p.base,  l.other FROM pair p JOIN leg l ON l.source = p.source AND l.one = p.quote AND l.other <> p.base
$$;

-- For each rate, to begin at a time: until when it would be used, and the last commission of before then that one of the pair's could
-- have converted. A rate that begins after that changes nothing on the books, nor does any later one of these.
CREATE FUNCTION past_rates(bases text[], quotes text[], sources text[], begins timestamptz[])
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
             WHERE (r.base, r.quote, r.source) IN (SELECT a.base, a.quote, a.source FROM added a) AND r.written < pg_current_xact_id()) t
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

-- Has orders decided again that a rate may change, used from begins until untils, and on which nobody has a commission. It gives how
-- many.
CREATE FUNCTION nudge_unconverted(bases text[], quotes text[], sources text[], begins timestamptz[], untils timestamptz[]) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
  WITH pays AS MATERIALIZED (
    SELECT DISTINCT p.merchant_id, t.document ->> 'currency' AS unit FROM terms t JOIN program p ON p.id = t.program_id WHERE t.document ? 'currency'
  ), nudged AS (
    INSERT INTO nudge (lane, order_no)
    SELECT DISTINCT o.lane, o.no
      FROM unnest(bases, quotes, sources, begins, untils) g (base, quote, source, begins, until)
      JOIN rates_convert(bases, quotes, sources) v USING (base, quote, source)
      JOIN pays p ON p.unit IN (v.one, v.other)
      JOIN orders o ON o.merchant_id = p.merchant_id AND o.currency = CASE p.unit WHEN v.one THEN v.other ELSE v.one END
       AND o.occurred_at >= g.begins AND o.occurred_at < g.until
     WHERE o.outcome IN ('no_rate', 'cannot_be_priced', 'no_rule') OR o.outcome LIKE 'restricted:%' OR o.keys = 1
    RETURNING 1)
  SELECT count(*) FROM nudged
$$;

-- +goose StatementBegin
CREATE FUNCTION fx_rate_changes_nothing() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  against bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM orders) THEN RETURN NULL; END IF;
  SELECT p.order_no INTO against
    FROM (SELECT array_agg(base ORDER BY day) AS bases, array_agg(quote ORDER BY day) AS quotes, array_agg(source ORDER BY day) AS sources,
                 array_agg(effective_from ORDER BY day) AS begins
            FROM added WHERE effective_from < now() + interval '1 minute') a,
         past_rates(a.bases, a.quotes, a.sources, a.begins) p
   WHERE p.converted >= a.begins[p.n] LIMIT 1;
  IF against IS NOT NULL THEN
    RAISE EXCEPTION 'a rate of the past would have changed order %, which was converted without it: it must begin a minute from now or later', against
      USING ERRCODE = 'check_violation', CONSTRAINT = 'fx_rate_changes_nothing';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER begins_ahead ON fx_rate;
CREATE TRIGGER changes_nothing AFTER INSERT ON fx_rate REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION fx_rate_changes_nothing();

GRANT INSERT ON nudge TO tributary_operator;
