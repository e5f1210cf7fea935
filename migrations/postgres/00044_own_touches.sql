-- Touches may be of coupons, codes, claims and customers that belong to a partner. A partner sees its own, never who the customer
-- is, and of a coupon, code or customer that is nobody's what became of it.

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
      SELECT jsonb_agg(coalesce(p.prices, '{}') || CASE WHEN c ? 'weight' THEN c - 'fee_exact' ELSE c END ORDER BY n)
        FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY e (c, n)
        LEFT JOIN LATERAL (
              SELECT jsonb_build_object('rules', f -> 'rules', 'priced', f -> 'priced') AS prices
                FROM jsonb_array_elements(record -> 'credits') WITH ORDINALITY first (f, m)
               WHERE m <= n AND f ? 'rules' ORDER BY m DESC LIMIT 1) p ON true
       WHERE (c ->> 'partner')::bigint = partner))::text, '{');
