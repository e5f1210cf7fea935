-- What the pages do for people who review orders and customers.

-- +goose Up

-- bind_customer writes what an operator says about a customer to the inbox: it is the only way there for the pages, which say whom
-- they speak for.
-- +goose StatementBegin
CREATE FUNCTION bind_customer(lane int, key bytea, content bytea, author text, note text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  said json := convert_from(content, 'UTF8')::json;
  written bigint;
BEGIN
  IF NOT (app_operator() OR pg_has_role(session_user, 'tributary_operator', 'MEMBER')) THEN
    RAISE EXCEPTION 'only an operator binds a customer' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF key IS DISTINCT FROM convert_to((said ->> 'merchant') || '|' || (said ->> 'customer'), 'UTF8') THEN
    RAISE EXCEPTION 'the key of a binding is not that of its customer' USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO inbox (lane, key, kind, ref, content, author, note) VALUES (lane, key, 'bind', said ->> 'customer', content, author, note)
    RETURNING no INTO written;
  RETURN written;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION bind_customer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bind_customer TO tributary_dashboard, tributary_operator;

-- What operators have said about customers, and what became of it.
CREATE INDEX inbox_bind ON inbox (key) WHERE kind = 'bind';
CREATE VIEW customer_bind AS
  SELECT i.no, i.key, (c.said ->> 'program')::bigint AS program_id, (c.said ->> 'partner')::bigint AS partner_id, (c.said ->> 'from')::timestamptz AS from_at,
         i.author, i.note, i.at, t.at AS taken_at, coalesce(t.problem, '') AS problem
    FROM inbox i
   CROSS JOIN LATERAL (SELECT convert_from(i.content, 'UTF8')::json AS said) c
    LEFT JOIN inbox_taken t ON t.no = i.no
   WHERE i.kind = 'bind' AND (SELECT app_operator());
GRANT SELECT ON customer_bind TO tributary_dashboard;
