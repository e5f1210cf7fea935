-- What a page counts for a merchant each time looks at the newest thousand of a sort, and a partner's look-up of an order gives a
-- record, so that whoever reads it knows of which form it is.

-- +goose Up
CREATE VIEW newest_open_claim AS
  SELECT c.no FROM (SELECT no FROM claim WHERE merchant_id = (SELECT app_merchant()) ORDER BY no DESC LIMIT 1000) c
   WHERE NOT EXISTS (SELECT FROM claim_outcome x LEFT JOIN inbox_taken t ON t.no = x.no WHERE x.claim = c.no AND coalesce(t.problem, '') = '');
CREATE VIEW newest_open_dispute AS
  SELECT d.no FROM (SELECT no FROM dispute WHERE merchant_id = (SELECT app_merchant()) ORDER BY no DESC LIMIT 1000) d
   WHERE NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = d.no AND t.problem <> '')
     AND NOT EXISTS (SELECT FROM dispute_outcome x LEFT JOIN inbox_taken t ON t.no = x.no WHERE x.dispute = d.no AND coalesce(t.problem, '') = '');
GRANT SELECT ON newest_open_claim, newest_open_dispute TO tributary_dashboard;

DROP FUNCTION find_order(text);
CREATE FUNCTION find_order(of_order text) RETURNS TABLE (no bigint, merchant text, order_id text, test boolean, placed_at timestamptz, reported_at timestamptz, earns boolean, record text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT o.no, m.name, o.order_id, o.keys = 1, o.occurred_at, greatest(o.occurred_at, o.received_at), c.earns,
         '{' || coalesce('"form":' || (o.decision ->> 'form') || ',', '') || ltrim(json_build_object(
           -- What became of the order as a whole; why others earn nothing is not this partner's to know.
           'outcome', CASE WHEN o.outcome IN ('voided', 'test', 'awaiting_path') OR coalesce(t.won, false) THEN o.outcome ELSE '' END,
           'order', '{}'::json, 'touches', coalesce(t.own, '[]'))::text, '{')
    FROM (SELECT DISTINCT p.merchant_id FROM enrolment e JOIN program p ON p.id = e.program_id WHERE e.partner_id = app_partner()) s
    JOIN merchant m ON m.id = s.merchant_id
    JOIN orders o ON o.merchant_id = s.merchant_id AND o.order_id = of_order AND o.keys IN (0, 1)
   CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = app_partner()) AS earns OFFSET 0) c
   CROSS JOIN LATERAL (
          SELECT json_agg(CASE WHEN e ->> 'kind' = 'customer' THEN e - 'id' ELSE e END - 'part' ORDER BY n) AS own, bool_or(e ? 'won') AS won
            FROM jsonb_array_elements(CASE WHEN json_typeof(o.decision -> 'touches') = 'array' THEN (o.decision -> 'touches')::jsonb ELSE '[]' END) WITH ORDINALITY x (e, n)
           WHERE (e ->> 'partner')::bigint = app_partner() AND e ->> 'kind' <> 'claim') t
   WHERE c.earns OR t.own IS NOT NULL
   ORDER BY m.name, o.merchant_id, o.keys
$$;
REVOKE ALL ON FUNCTION find_order(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_order(text) TO tributary_dashboard;
