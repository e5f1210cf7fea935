-- Manual lines: what people enter for a partner beside its orders, as for a month over its cap. A line is posted with source 4 ten
-- seconds after it was entered; one above the amount that one person may enter, ten seconds after a second person has approved it.
-- Until then it can be withdrawn. Pages write by the functions below alone.

-- +goose Up
CREATE TABLE manual_line (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  merchant_id bigint NOT NULL REFERENCES merchant,
  partner_id  bigint NOT NULL REFERENCES partner,
  unit        text   NOT NULL CHECK (unit ~ '^[A-Z]{3}$'),
  amount      bigint NOT NULL CHECK (amount <> 0), -- below zero takes back
  payer       text   NOT NULL CHECK (payer IN ('merchant', 'network')), -- who bears it
  period_no   bigint REFERENCES period, -- what it settles, where it is a period
  second      boolean NOT NULL, -- a second person must approve it
  side        text   NOT NULL CHECK (side IN ('merchant', 'operator')), -- whose people entered it
  author      text   NOT NULL CHECK (author <> ''),
  note        text   NOT NULL CHECK (btrim(note) <> '' AND length(note) <= 500),
  at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX manual_line_merchant ON manual_line (merchant_id, no);
CREATE INDEX manual_line_partner ON manual_line (partner_id, no);

-- What became of a line by what people said.
CREATE TABLE manual_verdict (
  line    bigint NOT NULL REFERENCES manual_line,
  verdict text   NOT NULL CHECK (verdict IN ('approve', 'decline', 'withdraw')),
  side    text   NOT NULL CHECK (side IN ('merchant', 'operator')),
  author  text   NOT NULL CHECK (author <> ''),
  note    text   NOT NULL DEFAULT '' CHECK (length(note) <= 500),
  at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (line, verdict)
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON manual_line    FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON manual_verdict FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

-- The row of the inbox by which an engine posts a line. One lane takes them all: there are few.
CREATE UNIQUE INDEX inbox_manual_line ON inbox (ref) WHERE kind = 'manual_line';
CREATE FUNCTION post_manual_line(line manual_line, author text) RETURNS void LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO inbox (lane, key, kind, ref, content, author, side, due)
  VALUES (0, convert_to(line.merchant_id || '|' || line.partner_id, 'UTF8'), 'manual_line', line.no::text, '', author, line.side, now() + interval '10 seconds')
$$;

-- Enters a line and gives its number: null where the merchant, the partner or the period is not the scope's, or where a merchant
-- would have the network pay.
-- +goose StatementBegin
CREATE FUNCTION add_manual_line(merchant bigint, partner bigint, unit text, amount bigint, payer text, period bigint, second boolean, author text, note text)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  line manual_line;
BEGIN
  IF app_side(merchant) IS NULL OR payer <> 'merchant' AND NOT app_operator()
     OR NOT EXISTS (SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = merchant AND e.partner_id = partner)
     OR period IS NOT NULL AND NOT EXISTS (SELECT FROM period p WHERE p.no = period AND p.merchant_id = merchant AND p.partner_id = partner) THEN
    RETURN NULL;
  END IF;
  INSERT INTO manual_line (merchant_id, partner_id, unit, amount, payer, period_no, second, side, author, note)
  VALUES (merchant, partner, unit, amount, payer, period, second, app_side(merchant), author, note) RETURNING * INTO line;
  IF NOT second THEN
    PERFORM post_manual_line(line, author);
  END IF;
  RETURN line.no;
END $$;

-- Approves, declines or withdraws a line. The answer is done; unknown, where it is not the scope's; not_yours, where the network
-- pays or the other side entered it; same_person; not_waiting, where there is nothing to approve or decline; or too_late.
CREATE FUNCTION decide_manual_line(of bigint, said text, by_whom text, why text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  line manual_line;
  own text;
BEGIN
  SELECT * INTO line FROM manual_line m WHERE m.no = of AND app_side(m.merchant_id) IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  own := app_side(line.merchant_id);
  IF line.payer <> 'merchant' AND own <> 'operator' OR said = 'withdraw' AND own <> line.side THEN RETURN 'not_yours'; END IF;
  IF EXISTS (SELECT FROM manual_verdict v WHERE v.line = of AND v.verdict = said) THEN RETURN 'done'; END IF; -- said again
  IF EXISTS (SELECT FROM manual_verdict v WHERE v.line = of AND v.verdict IN ('decline', 'withdraw')) THEN RETURN 'not_waiting'; END IF;
  IF said = 'withdraw' THEN
    INSERT INTO inbox_taken (no, problem) SELECT i.no, 'withdrawn' FROM inbox i WHERE i.kind = 'manual_line' AND i.ref = of::text ON CONFLICT DO NOTHING;
    IF NOT FOUND AND EXISTS (SELECT FROM inbox i WHERE i.kind = 'manual_line' AND i.ref = of::text) THEN RETURN 'too_late'; END IF;
  ELSE
    IF NOT line.second OR EXISTS (SELECT FROM manual_verdict v WHERE v.line = of) THEN RETURN 'not_waiting'; END IF;
    IF said = 'approve' AND by_whom = line.author THEN RETURN 'same_person'; END IF;
  END IF;
  INSERT INTO manual_verdict (line, verdict, side, author, note) VALUES (of, said, own, by_whom, why);
  IF said = 'approve' THEN
    PERFORM post_manual_line(line, by_whom);
  END IF;
  RETURN 'done';
END $$;
-- +goose StatementEnd

-- The lines of a tenant and what became of them. A partner sees those that are posted, and not who entered them.
CREATE VIEW scoped_manual_line AS
  SELECT s.*, CASE WHEN s.inside THEN m.author ELSE '' END AS author, CASE WHEN s.inside THEN m.note ELSE '' END AS note,
         CASE WHEN s.inside THEN coalesce(v.author, '') ELSE '' END AS decided_by, v.at AS decided_at
    FROM manual_line m
    LEFT JOIN inbox i ON i.kind = 'manual_line' AND i.ref = m.no::text
    LEFT JOIN inbox_taken t ON t.no = i.no
    LEFT JOIN LATERAL (SELECT w.* FROM manual_verdict w WHERE w.line = m.no ORDER BY w.verdict = 'approve', w.at LIMIT 1) v ON true
   CROSS JOIN LATERAL (SELECT m.no, m.merchant_id, m.partner_id, m.unit, m.amount, m.payer, m.period_no, m.second, m.side, m.at,
         app_side(m.merchant_id) IS NOT NULL AS inside, i.due, CASE WHEN t.problem = '' THEN i.at END AS effective_at, coalesce(t.problem, '') AS problem,
         CASE WHEN v.verdict = 'decline' THEN 'declined' WHEN v.verdict = 'withdraw' THEN 'withdrawn' WHEN i.no IS NULL THEN 'waiting'
              WHEN t.no IS NULL THEN 'to_come' WHEN t.problem = '' THEN 'posted' ELSE 'refused' END AS state OFFSET 0) s
   WHERE s.inside OR m.partner_id = (SELECT app_partner()) AND t.problem = '';

GRANT SELECT ON manual_line TO tributary_engine, tributary_operator, tributary_reader;
GRANT SELECT ON manual_verdict TO tributary_operator, tributary_reader;
REVOKE ALL ON FUNCTION post_manual_line(manual_line, text), add_manual_line(bigint, bigint, text, bigint, text, bigint, boolean, text, text),
  decide_manual_line(bigint, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_manual_line(bigint, bigint, text, bigint, text, bigint, boolean, text, text), decide_manual_line(bigint, text, text, text)
  TO tributary_dashboard, tributary_operator;
GRANT SELECT ON scoped_manual_line TO tributary_dashboard, tributary_operator;
