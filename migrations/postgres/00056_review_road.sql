-- What people decide about orders takes effect ten seconds after it was said: until the engine takes the row, it can be withdrawn.
-- Pages write such rows, and withdraw them, by these functions alone.

-- +goose Up
ALTER TABLE inbox
  ADD COLUMN due  timestamptz NOT NULL DEFAULT now(), -- from when on the row is taken
  ADD COLUMN side text NOT NULL DEFAULT '' CHECK (side IN ('', 'merchant', 'operator')); -- whose people made the fact

-- The key of an order, as records of Kafka have it.
CREATE FUNCTION order_key(merchant bigint, keys smallint, id text) RETURNS bytea LANGUAGE sql STABLE
  RETURN convert_to(merchant::text || CASE keys WHEN 1 THEN '!' ELSE '|' END || id, 'UTF8');

-- On whose side this transaction acts on the orders of a merchant; null where it may not.
CREATE FUNCTION app_side(merchant bigint) RETURNS text LANGUAGE sql STABLE
  RETURN CASE WHEN app_operator() THEN 'operator' WHEN merchant = app_merchant() THEN 'merchant' END;

-- Says something about an order, and gives the number of the row, or null where the order is not there or somebody else's.
-- +goose StatementBegin
CREATE FUNCTION review_order(content bytea, ref text, author text, note text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO inbox (lane, key, kind, ref, content, author, note, side, due)
  SELECT o.lane, order_key(o.merchant_id, o.keys, o.order_id), 'review', ref, content, author, note, app_side(o.merchant_id), now() + interval '10 seconds'
    FROM convert_from(content, 'UTF8') AS t (said)
    JOIN orders o ON o.merchant_id = (t.said::json ->> 'merchant')::bigint AND o.order_id = t.said::json ->> 'order'
                 AND o.keys = coalesce((t.said::json ->> 'keys')::smallint, 0)
   WHERE app_side(o.merchant_id) IS NOT NULL
  RETURNING no
$$;

-- Withdraws what one's own side has said about an order, unless the engine has taken it: whoever notes the row as taken first has
-- it. found is false where there is no such row; taken and effect say what became of one that is too late to withdraw: effect
-- is empty where it did what it says.
CREATE FUNCTION undo_review(review bigint, author text, note text, OUT known boolean, OUT undone boolean, OUT taken timestamptz, OUT effect text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  act inbox;
  said json;
  of orders;
  own bigint;
BEGIN
  SELECT * INTO act FROM inbox i WHERE i.no = review AND i.kind = 'review';
  said := convert_from(act.content, 'UTF8')::json;
  SELECT * INTO of FROM orders o WHERE o.merchant_id = (said ->> 'merchant')::bigint AND o.order_id = said ->> 'order'
     AND o.keys = coalesce((said ->> 'keys')::smallint, 0);
  known := coalesce(act.side = app_side(of.merchant_id), false);
  IF NOT known THEN RETURN; END IF;
  INSERT INTO inbox_taken (no, problem) VALUES (review, 'withdrawn') ON CONFLICT DO NOTHING RETURNING no INTO own;
  undone := own IS NOT NULL;
  IF undone THEN
    INSERT INTO inbox (lane, key, kind, ref, content, author, note, side)
    VALUES (act.lane, act.key, 'undo', review::text, '', author, note, act.side) RETURNING no INTO own;
    INSERT INTO inbox_taken (no) VALUES (own);
    RETURN;
  END IF;
  SELECT t.at, t.problem INTO taken, effect FROM inbox_taken t WHERE t.no = review;
  IF effect = '' THEN
    SELECT r ->> 'no_effect' INTO effect FROM orders o, json_array_elements(o.decision -> 'order' -> 'reviews') r
     WHERE o.no = of.no AND r ->> 'id' = act.ref;
    effect := coalesce(effect, '');
  END IF;
END $$;
-- +goose StatementEnd

-- What was said about the orders of a tenant, and what became of it. A partner is not told who said it.
CREATE VIEW scoped_review AS
  SELECT i.no, o.no AS order_no, i.ref, s.said ->> 'verb' AS verb, coalesce(s.said ->> 'code', '') AS code, coalesce((s.said ->> 'partner')::bigint, 0) AS partner_id,
         (s.said ->> 'until')::timestamptz AS until, coalesce(s.said ->> 'report', '') AS report, i.side,
         CASE WHEN app_side(o.merchant_id) IS NOT NULL THEN i.author ELSE '' END AS author,
         CASE WHEN app_side(o.merchant_id) IS NOT NULL THEN i.note ELSE '' END AS note, i.at, i.due, t.at AS taken_at, coalesce(t.problem, '') AS problem
    FROM orders o
    JOIN inbox i ON i.key = order_key(o.merchant_id, o.keys, o.order_id) AND i.kind = 'review'
    LEFT JOIN inbox_taken t ON t.no = i.no
   CROSS JOIN LATERAL (SELECT convert_from(i.content, 'UTF8')::json AS said OFFSET 0) s
   WHERE app_side(o.merchant_id) IS NOT NULL
      OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = (SELECT app_partner()))
         AND coalesce(t.problem, 'withdrawn') = '' AND coalesce((s.said ->> 'partner')::bigint, 0) IN (0, (SELECT app_partner()));

REVOKE ALL ON FUNCTION review_order(bytea, text, text, text), undo_review(bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION review_order(bytea, text, text, text), undo_review(bigint, text, text) TO tributary_dashboard, tributary_operator;
GRANT SELECT ON scoped_review TO tributary_dashboard;
