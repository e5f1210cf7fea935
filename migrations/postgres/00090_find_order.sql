-- A partner looks up an order by the shop's id: one on which it earns, or of which it has a touch that earned nothing. Of any other
-- order the answer is the same as of none, at the same cost: a look-up by key in each shop whose programs the partner is in, and for an
-- order that is there its touches. Where a touch stood among those of others is not said. A claim is no touch here, since whoever
-- claims an order at random would learn that there is one.

-- +goose Up
CREATE FUNCTION find_order(of_order text) RETURNS TABLE (no bigint, merchant text, order_id text, test boolean, placed_at timestamptz, reported_at timestamptz, earns boolean, outcome text, touches text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT o.no, m.name, o.order_id, o.keys = 1, o.occurred_at, greatest(o.occurred_at, o.received_at), c.earns,
         -- What became of the order as a whole; why others earn nothing is not this partner's to know.
         CASE WHEN o.outcome IN ('voided', 'test', 'awaiting_path') OR coalesce(t.won, false) THEN o.outcome ELSE '' END, coalesce(t.own, '[]')
    FROM (SELECT DISTINCT p.merchant_id FROM enrolment e JOIN program p ON p.id = e.program_id WHERE e.partner_id = app_partner()) s
    JOIN merchant m ON m.id = s.merchant_id
    JOIN orders o ON o.merchant_id = s.merchant_id AND o.order_id = of_order AND o.keys IN (0, 1)
   CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = app_partner()) AS earns OFFSET 0) c
   CROSS JOIN LATERAL (
          SELECT json_agg(CASE WHEN e ->> 'kind' = 'customer' THEN e - 'id' ELSE e END - 'part' ORDER BY n)::text AS own, bool_or(e ? 'won') AS won
            FROM jsonb_array_elements(CASE WHEN json_typeof(o.decision -> 'touches') = 'array' THEN (o.decision -> 'touches')::jsonb ELSE '[]' END) WITH ORDINALITY x (e, n)
           WHERE (e ->> 'partner')::bigint = app_partner() AND e ->> 'kind' <> 'claim') t
   WHERE c.earns OR t.own IS NOT NULL
   ORDER BY m.name, o.merchant_id, o.keys
$$;
REVOKE ALL ON FUNCTION find_order(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_order(text) TO tributary_dashboard;
