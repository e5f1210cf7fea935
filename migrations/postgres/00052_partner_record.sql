-- 00051 was written beside 00044 and took back what that one hides: of the touches that are a partner's own, the customer's id, and
-- of a referral code that is nobody's what became of it. This is both.

-- +goose Up
CREATE OR REPLACE FUNCTION partner_record(record jsonb, partner bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  '{' || coalesce('"form":' || (record ->> 'form') || ',', '') || ltrim(jsonb_build_object(
    'outcome', record -> 'outcome',
    'order', (record -> 'order') - ARRAY['metadata', 'added'],
    'touches', (
      SELECT jsonb_agg(CASE WHEN NOT t ? 'partner' THEN jsonb_build_object('kind', t -> 'kind', 'reason', t -> 'reason')
                            WHEN t ->> 'kind' = 'customer' THEN t - 'id' ELSE t END ORDER BY n)
        FROM jsonb_array_elements(record -> 'touches') WITH ORDINALITY e (t, n)
       WHERE (t ->> 'partner')::bigint = partner OR NOT t ? 'partner' AND t ->> 'kind' IN ('coupon', 'code', 'customer')),
    'credits', (
      SELECT jsonb_agg(coalesce(s.terms, '{}') || coalesce(p.prices, '{}') || CASE WHEN c ? 'weight' THEN c - 'fee_exact' ELSE c END - 'from' ORDER BY n)
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
