-- What people decided about an order is in its record. A partner reads what concerns the order or its own share, without the report
-- that was to stand and without what did nothing.

-- +goose Up
CREATE OR REPLACE FUNCTION partner_record(record jsonb, partner bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  '{' || coalesce('"form":' || (record ->> 'form') || ',', '') || ltrim(jsonb_build_object(
    'outcome', record -> 'outcome',
    'order', ((record -> 'order') - ARRAY['metadata', 'added', 'reviews']) || coalesce((
      SELECT jsonb_build_object('reviews', jsonb_agg(r - 'by' ORDER BY n))
        FROM jsonb_array_elements(record -> 'order' -> 'reviews') WITH ORDINALITY e (r, n)
       WHERE coalesce((r ->> 'partner')::bigint, 0) IN (0, partner) AND r ->> 'verb' <> 'replace' AND NOT r ? 'no_effect' HAVING count(*) > 0), '{}'),
    'touches', (
      SELECT jsonb_agg(CASE WHEN NOT t ? 'partner' THEN jsonb_build_object('kind', t -> 'kind', 'reason', t -> 'reason')
                            WHEN t ->> 'kind' = 'customer' THEN t - 'id' ELSE t END ORDER BY n)
        FROM jsonb_array_elements(record -> 'touches') WITH ORDINALITY e (t, n)
       WHERE (t ->> 'partner')::bigint = partner OR NOT t ? 'partner' AND t ->> 'kind' IN ('coupon', 'code', 'customer')),
    'credits', (
      SELECT jsonb_agg(coalesce(s.terms, '{}') || coalesce(p.prices, '{}') || (CASE WHEN c ? 'weight' THEN c - 'fee_exact' ELSE c END - 'from') #- '{counted,declines}' ORDER BY n)
        FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY e (c, n)
        LEFT JOIN LATERAL (
              SELECT jsonb_strip_nulls(jsonb_build_object('rules', f -> 'rules', 'priced', f -> 'priced', 'lost', f -> 'lost')) AS prices
                FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY first (f, m)
               WHERE m <= n AND f ? 'rules' AND NOT c ? 'unpaid' ORDER BY m DESC LIMIT 1) p ON true
        LEFT JOIN LATERAL (
              SELECT jsonb_strip_nulls(jsonb_build_object('terms', f -> 'terms', 'hold_until', f -> 'hold_until', 'refunds_until', f -> 'refunds_until', 'rate', f -> 'rate')) AS terms
                FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY first (f, m)
               WHERE m <= n AND f ? 'terms' ORDER BY m DESC LIMIT 1) s ON true
       WHERE (c ->> 'partner')::bigint = partner))::text, '{');
