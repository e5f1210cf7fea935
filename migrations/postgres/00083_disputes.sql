-- Disputes: a customer disputes a payment with their bank, and the merchant, or the operator, says so and what becomes of it. What is
-- said is rows of the inbox of the kind dispute; these tables are what pages list.

-- +goose Up
CREATE TABLE dispute (
  no          bigint PRIMARY KEY REFERENCES inbox, -- the row by which it was opened
  merchant_id bigint NOT NULL,
  order_no    bigint NOT NULL,
  ref         text   NOT NULL CHECK (octet_length(ref) BETWEEN 1 AND 128), -- as whoever handles the payment calls it
  amount      bigint CHECK (amount > 0),           -- minor units of the currency; null: the whole order
  currency    text   NOT NULL                      -- the order's as the dispute was opened
);
CREATE INDEX dispute_merchant ON dispute (merchant_id, no);
CREATE INDEX dispute_order ON dispute (order_no);

-- What somebody said that became of a dispute. One that was withdrawn in time does not count.
CREATE TABLE dispute_outcome (
  no      bigint PRIMARY KEY REFERENCES inbox,
  dispute bigint NOT NULL REFERENCES dispute,
  state   text   NOT NULL CHECK (state IN ('won', 'lost'))
);
CREATE INDEX dispute_outcome_dispute ON dispute_outcome (dispute);

CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dispute         FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dispute_outcome FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

-- The most that can be disputed of an order: its lines, delivery and taxes.
CREATE FUNCTION order_total(o orders) RETURNS numeric LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
  RETURN o.amount + coalesce((o.decision #>> '{order,shipping}')::numeric, 0) + coalesce((o.decision #>> '{order,shipping_tax}')::numeric, 0)
       + coalesce((SELECT sum((l ->> 'tax')::numeric) FROM json_array_elements(o.decision #> '{order,lines}') l), 0);

-- The content of a row about a dispute of an order.
CREATE FUNCTION disputed(o orders, id text, state text, amount bigint, currency text) RETURNS bytea LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
  RETURN convert_to(json_strip_nulls(json_build_object('merchant', o.merchant_id, 'keys', nullif(o.keys, 0), 'order', o.order_id, 'dispute', id, 'state', state,
    'amount', amount, 'currency', CASE WHEN amount IS NOT NULL THEN currency END, 'whole', CASE WHEN amount IS NULL THEN true END))::text, 'UTF8');

-- The merchant, or the operator, says that a customer disputes an order: an amount, or null for all of it. The engine takes it in ten
-- seconds later.
-- +goose StatementBegin
CREATE FUNCTION open_dispute(of_merchant bigint, of_order text, of_keys smallint, id text, amount bigint, author text, note text, OUT row_no bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  o orders;
BEGIN
  SELECT * INTO o FROM orders x WHERE x.merchant_id = of_merchant AND x.order_id = of_order AND x.keys = of_keys AND x.keys IN (0, 1) AND app_side(x.merchant_id) IS NOT NULL;
  IF o.no IS NULL THEN problem := 'unknown_order'; RETURN; END IF;
  IF o.occurred_at IS NULL THEN problem := 'dispute_without_sale'; RETURN; END IF;
  IF amount > order_total(o) THEN problem := 'dispute_too_much'; RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('disputes of ' || o.no, 0));
  IF EXISTS (SELECT FROM dispute d LEFT JOIN inbox_taken t ON t.no = d.no WHERE d.order_no = o.no AND d.ref = id AND coalesce(t.problem, '') = '') THEN
    problem := 'disputed_already'; RETURN;
  END IF;
  IF (SELECT count(*) FROM dispute d LEFT JOIN inbox_taken t ON t.no = d.no WHERE d.order_no = o.no AND coalesce(t.problem, '') = '') >= 20 THEN
    problem := 'too_many_disputes'; RETURN;
  END IF;
  INSERT INTO inbox (lane, key, kind, ref, content, author, note, side, due)
  VALUES (o.lane, order_key(o.merchant_id, o.keys, o.order_id), 'dispute', id, disputed(o, id, 'open', amount, o.currency), author, note, app_side(o.merchant_id), now() + interval '10 seconds')
  RETURNING no INTO row_no;
  INSERT INTO dispute (no, merchant_id, order_no, ref, amount, currency) VALUES (row_no, o.merchant_id, o.no, id, open_dispute.amount, o.currency);
END $$;

-- The merchant, or the operator, says what became of a dispute that has taken effect, and the engine takes it in ten seconds later.
CREATE FUNCTION settle_dispute(of_dispute bigint, state text, author text, note text, OUT row_no bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d dispute;
  o orders;
  took text;
BEGIN
  SELECT * INTO d FROM dispute WHERE no = of_dispute AND app_side(merchant_id) IS NOT NULL;
  SELECT t.problem INTO took FROM inbox_taken t WHERE t.no = d.no;
  IF d.no IS NULL OR took <> '' THEN problem := 'unknown_dispute'; RETURN; END IF;
  IF took IS NULL THEN problem := 'dispute_not_taken'; RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('disputes of ' || d.order_no, 0));
  IF EXISTS (SELECT FROM dispute_outcome x LEFT JOIN inbox_taken t ON t.no = x.no WHERE x.dispute = d.no AND coalesce(t.problem, '') = '') THEN
    problem := 'dispute_settled'; RETURN;
  END IF;
  SELECT * INTO o FROM orders x WHERE x.no = d.order_no;
  INSERT INTO inbox (lane, key, kind, ref, content, author, note, side, due)
  VALUES (o.lane, order_key(o.merchant_id, o.keys, o.order_id), 'dispute', d.ref, disputed(o, d.ref, state, d.amount, d.currency), author, note, app_side(o.merchant_id), now() + interval '10 seconds')
  RETURNING no INTO row_no;
  INSERT INTO dispute_outcome (no, dispute, state) VALUES (row_no, d.no, settle_dispute.state);
END $$;
-- +goose StatementEnd

-- Disputes as a tenant sees them: those that were withdrawn are none. A partner sees those of orders that they earn on once they have
-- taken effect, and neither its id nor who said what.
CREATE VIEW scoped_dispute AS
  SELECT d.no, d.merchant_id, d.order_no, o.order_id, o.keys, d.currency, d.amount, CASE WHEN s.side IS NULL THEN '' ELSE d.ref END AS ref,
         i.at, i.due, t.at AS taken_at, CASE WHEN s.side IS NULL THEN '' ELSE i.side END AS side,
         CASE WHEN s.side IS NULL THEN '' ELSE i.author END AS author, CASE WHEN s.side IS NULL THEN '' ELSE i.note END AS note,
         coalesce(x.state, 'open') AS state, x.no AS outcome_no, r.at AS outcome_at, r.due AS outcome_due, x.taken_at AS outcome_taken,
         CASE WHEN s.side IS NULL THEN '' ELSE coalesce(r.side, '') END AS outcome_side, CASE WHEN s.side IS NULL THEN '' ELSE coalesce(r.author, '') END AS outcome_author,
         CASE WHEN s.side IS NULL THEN '' ELSE coalesce(r.note, '') END AS outcome_note
    FROM dispute d
    JOIN inbox i ON i.no = d.no
    JOIN orders o ON o.no = d.order_no
   CROSS JOIN LATERAL (SELECT app_side(d.merchant_id) AS side OFFSET 0) s
    LEFT JOIN inbox_taken t ON t.no = d.no
    LEFT JOIN LATERAL (SELECT y.no, y.state, u.at AS taken_at FROM dispute_outcome y LEFT JOIN inbox_taken u ON u.no = y.no
                        WHERE y.dispute = d.no AND coalesce(u.problem, '') = '' AND (u.no IS NOT NULL OR s.side IS NOT NULL)
                        ORDER BY y.no LIMIT 1) x ON true
    LEFT JOIN inbox r ON r.no = x.no
   WHERE coalesce(t.problem, '') = ''
     AND (s.side IS NOT NULL OR t.no IS NOT NULL AND EXISTS (SELECT FROM commission c WHERE c.order_no = d.order_no AND c.partner_id = (SELECT app_partner())));

REVOKE ALL ON FUNCTION open_dispute(bigint, text, smallint, text, bigint, text, text), settle_dispute(bigint, text, text, text), disputed(orders, text, text, bigint, text), order_total(orders) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_dispute(bigint, text, smallint, text, bigint, text, text), settle_dispute(bigint, text, text, text) TO tributary_dashboard, tributary_operator;
GRANT SELECT ON scoped_dispute TO tributary_dashboard;
GRANT SELECT ON dispute, dispute_outcome TO tributary_engine, tributary_operator, tributary_reader;

-- A partner's record has disputes by their numbers: an id is the merchant's own words.
CREATE OR REPLACE FUNCTION partner_record(record jsonb, partner bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  '{' || coalesce('"form":' || (record ->> 'form') || ',', '') || ltrim(jsonb_build_object(
    'outcome', record -> 'outcome',
    'order', ((record -> 'order') - ARRAY['metadata', 'added', 'reviews']) || coalesce((
      SELECT jsonb_build_object('reviews', jsonb_agg(r - 'by' ORDER BY n))
        FROM jsonb_array_elements(record -> 'order' -> 'reviews') WITH ORDINALITY e (r, n)
       WHERE coalesce((r ->> 'partner')::bigint, 0) IN (0, partner) AND r ->> 'verb' <> 'replace' AND NOT r ? 'no_effect' HAVING count(*) > 0), '{}') || coalesce((
      SELECT jsonb_build_object('disputes', jsonb_agg(d || jsonb_build_object('id', n::text) ORDER BY n))
        FROM jsonb_array_elements(record -> 'order' -> 'disputes') WITH ORDINALITY e (d, n) HAVING count(*) > 0), '{}') || coalesce((
      SELECT jsonb_build_object('refunds', jsonb_agg(CASE WHEN r ? 'dispute' THEN r || jsonb_build_object('id', (
               SELECT n::text FROM jsonb_array_elements(record -> 'order' -> 'disputes') WITH ORDINALITY e (d, n) WHERE d -> 'id' = r -> 'id')) ELSE r END ORDER BY m))
        FROM jsonb_array_elements(record -> 'order' -> 'refunds') WITH ORDINALITY f (r, m) WHERE record -> 'order' ? 'disputes' HAVING count(*) > 0), '{}'),
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
