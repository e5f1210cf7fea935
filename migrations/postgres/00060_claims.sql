-- Claims: a partner says that an order is theirs, and the merchant or the operator grants or declines it. What is said is rows of the
-- inbox of the kind claim; these tables are what pages list. A partner never learns here whether an order exists.

-- +goose Up
CREATE TABLE claim (
  no          bigint PRIMARY KEY REFERENCES inbox, -- the row by which it was made
  ref         text   NOT NULL UNIQUE,              -- its id among the claims of the order
  merchant_id bigint NOT NULL,
  program_id  bigint NOT NULL,
  partner_id  bigint NOT NULL,
  order_id    text   NOT NULL CHECK (order_id <> ''), -- as the merchant calls it, if there is such an order
  click_id    text   NOT NULL,                     -- by which the customer came, as the partner says
  UNIQUE (partner_id, program_id, order_id),
  FOREIGN KEY (program_id, partner_id) REFERENCES enrolment
);
CREATE INDEX claim_merchant ON claim (merchant_id, no);
CREATE INDEX claim_order ON claim (merchant_id, order_id);
CREATE INDEX claim_partner ON claim (partner_id, no);

-- What somebody said that is to become of a claim. One that was withdrawn in time does not count.
CREATE TABLE claim_outcome (
  no      bigint PRIMARY KEY REFERENCES inbox,
  claim   bigint NOT NULL REFERENCES claim,
  outcome text   NOT NULL CHECK (outcome IN ('granted', 'declined'))
);
CREATE INDEX claim_outcome_claim ON claim_outcome (claim);

-- Rows about claims that were taken before their order was reported: they are part of it once it is.
CREATE TABLE claim_waiting (
  no          bigint PRIMARY KEY REFERENCES inbox,
  lane        int    NOT NULL,
  merchant_id bigint NOT NULL,
  order_id    text   NOT NULL
);
CREATE INDEX claim_waiting_lane ON claim_waiting (lane, no);

CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON claim         FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON claim_outcome FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

-- What people decided about an order is read together.
CREATE INDEX inbox_said ON inbox (key) WHERE kind IN ('review', 'claim', 'dispute');
DROP INDEX inbox_review;

-- What is to become of a claim, as far as it was not withdrawn: at most one row.
CREATE FUNCTION claim_settled(of_claim bigint) RETURNS claim_outcome LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
  RETURN (SELECT o FROM claim_outcome o LEFT JOIN inbox_taken t ON t.no = o.no
           WHERE o.claim = of_claim AND coalesce(t.problem, '') = '' ORDER BY o.no LIMIT 1);

-- A partner claims an order. The answers are the same whether there is such an order or not.
-- +goose StatementBegin
CREATE FUNCTION claim_order(of_program bigint, of_order text, click text, id text, lane int, author text, note text, OUT claim bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  me bigint := app_partner();
  merchant bigint;
BEGIN
  SELECT p.merchant_id INTO merchant FROM enrolment e JOIN program p ON p.id = e.program_id WHERE e.program_id = of_program AND e.partner_id = me;
  IF merchant IS NULL THEN problem := 'not_enrolled'; RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('claims of ' || me, 0));
  IF EXISTS (SELECT FROM claim c WHERE c.partner_id = me AND c.program_id = of_program AND c.order_id = of_order) THEN
    problem := 'claimed_already'; RETURN;
  END IF;
  IF (SELECT count(*) FROM claim c WHERE c.partner_id = me AND claim_settled(c.no) IS NULL) >= 100 THEN
    problem := 'too_many_claims'; RETURN;
  END IF;
  INSERT INTO inbox (lane, key, kind, ref, content, author, note)
  VALUES (lane, order_key(merchant, 0::smallint, of_order), 'claim', id, convert_to(json_strip_nulls(json_build_object(
    'merchant', merchant, 'order', of_order, 'claim', id, 'program', of_program, 'partner', me, 'outcome', 'open', 'click', nullif(click, '')))::text, 'UTF8'), author, note)
  RETURNING no INTO claim;
  INSERT INTO claim (no, ref, merchant_id, program_id, partner_id, order_id, click_id) VALUES (claim, id, merchant, of_program, me, of_order, click);
END $$;

-- The merchant, or the operator, grants or declines a claim, and the engine takes it in ten seconds later.
CREATE FUNCTION settle_claim(of_claim bigint, outcome text, author text, note text, OUT row_no bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  c claim;
  made inbox;
  placed timestamptz;
BEGIN
  SELECT * INTO c FROM claim WHERE no = of_claim AND app_side(merchant_id) IS NOT NULL;
  IF c.no IS NULL THEN problem := 'unknown_claim'; RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('claims on ' || c.merchant_id || ' ' || c.order_id, 0));
  IF claim_settled(c.no) IS NOT NULL THEN problem := 'claim_settled'; RETURN; END IF;
  SELECT * INTO made FROM inbox i WHERE i.no = c.no;
  IF outcome = 'granted' THEN
    SELECT greatest(o.occurred_at, o.received_at) INTO placed FROM orders o WHERE o.merchant_id = c.merchant_id AND o.order_id = c.order_id AND o.keys = 0;
    IF placed IS NULL THEN problem := 'claim_without_order'; RETURN; END IF;
    IF made.at > placed + interval '90 days' THEN problem := 'claim_too_late'; RETURN; END IF;
    IF EXISTS (SELECT FROM claim x WHERE x.merchant_id = c.merchant_id AND x.order_id = c.order_id AND x.no <> c.no AND (claim_settled(x.no)).outcome = 'granted') THEN
      problem := 'claim_of_another'; RETURN;
    END IF;
  END IF;
  INSERT INTO inbox (lane, key, kind, ref, content, author, note, side, due)
  VALUES (made.lane, made.key, 'claim', c.ref, convert_to(json_build_object(
    'merchant', c.merchant_id, 'order', c.order_id, 'claim', c.ref, 'program', c.program_id, 'partner', c.partner_id, 'outcome', outcome)::text, 'UTF8'),
    author, note, app_side(c.merchant_id), now() + interval '10 seconds')
  RETURNING no INTO row_no;
  INSERT INTO claim_outcome (no, claim, outcome) VALUES (row_no, c.no, settle_claim.outcome);
END $$;
-- +goose StatementEnd

-- What undo_review withdraws may be about a claim as well, of an order that is not there.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION undo_review(review bigint, author text, note text, OUT known boolean, OUT undone boolean, OUT taken timestamptz, OUT effect text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  act inbox;
  said json;
  own bigint;
BEGIN
  SELECT * INTO act FROM inbox i WHERE i.no = review AND i.kind IN ('review', 'claim', 'dispute');
  said := convert_from(act.content, 'UTF8')::json;
  known := coalesce(act.side = app_side((said ->> 'merchant')::bigint), false);
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
     WHERE o.merchant_id = (said ->> 'merchant')::bigint AND o.order_id = said ->> 'order' AND o.keys = coalesce((said ->> 'keys')::smallint, 0)
       AND r ->> 'id' = act.ref;
    effect := coalesce(effect, '');
  END IF;
END $$;
-- +goose StatementEnd

-- Claims as a tenant sees them. A partner sees what became of theirs once it has taken effect, and nothing about the order.
CREATE VIEW scoped_claim AS
  SELECT c.no, c.merchant_id, c.program_id, c.partner_id, c.order_id, c.click_id, i.at, i.note, coalesce(s.outcome, 'open') AS outcome,
         s.no AS outcome_no, r.at AS outcome_at, r.due AS outcome_due, t.at AS outcome_taken, coalesce(r.note, '') AS outcome_note, coalesce(r.side, '') AS outcome_side,
         CASE WHEN app_side(c.merchant_id) IS NOT NULL THEN coalesce(r.author, '') ELSE '' END AS outcome_author,
         o.no AS order_no, greatest(o.occurred_at, o.received_at) AS placed_at
    FROM claim c
    JOIN inbox i ON i.no = c.no
    LEFT JOIN LATERAL (SELECT x.no, x.outcome FROM claim_outcome x LEFT JOIN inbox_taken t ON t.no = x.no
                        WHERE x.claim = c.no AND coalesce(t.problem, '') = '' AND (t.no IS NOT NULL OR app_side(c.merchant_id) IS NOT NULL)
                        ORDER BY x.no LIMIT 1) s ON true
    LEFT JOIN inbox r ON r.no = s.no
    LEFT JOIN inbox_taken t ON t.no = s.no
    LEFT JOIN orders o ON app_side(c.merchant_id) IS NOT NULL AND o.merchant_id = c.merchant_id AND o.order_id = c.order_id AND o.keys = 0
   WHERE app_side(c.merchant_id) IS NOT NULL OR c.partner_id = (SELECT app_partner());

REVOKE ALL ON FUNCTION claim_order(bigint, text, text, text, int, text, text), settle_claim(bigint, text, text, text), claim_settled(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_order(bigint, text, text, text, int, text, text) TO tributary_dashboard;
GRANT EXECUTE ON FUNCTION settle_claim(bigint, text, text, text) TO tributary_dashboard, tributary_operator;
GRANT SELECT ON scoped_claim TO tributary_dashboard;
GRANT SELECT ON claim, claim_outcome, claim_waiting TO tributary_engine, tributary_operator, tributary_reader;
GRANT INSERT, DELETE ON claim_waiting TO tributary_engine;
