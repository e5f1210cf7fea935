-- The audit log reads by its indexes however long it is, has what it lacked, and what is older than the operator keeps it is removed.

-- +goose Up

-- Each arm is one index, read from its end: the network's all of it, a merchant's and a partner's their own. An OR of the three read it all.
CREATE OR REPLACE VIEW scoped_audit AS
  SELECT a.no, a.at, CASE WHEN o.own THEN a.address ELSE '' END AS address, a.kind, a.id, a.made,
    CASE WHEN o.own THEN coalesce(l.email, '') ELSE '' END AS email,
    coalesce(p.name, m.name, CASE WHEN t.network THEN coalesce((SELECT n.name FROM network n), 'Network') END, k.name, '') AS "of",
    coalesce(a.key_id, 0) AS key_id,
    CASE WHEN o.own THEN coalesce(a.before, '{}') ELSE '{}' END AS before,
    CASE WHEN o.own THEN coalesce(a.after, '{}') ELSE '{}' END AS after,
    CASE WHEN o.own THEN a.request ELSE '' END AS request
  FROM (
    (SELECT no, at, login_id, seat_id, key_id, address, request, kind, id, made, before, after FROM audit WHERE (SELECT app_operator()) ORDER BY no DESC)
    UNION ALL
    (SELECT no, at, login_id, seat_id, key_id, address, request, kind, id, made, before, after FROM audit WHERE merchant_id = (SELECT app_merchant()) AND NOT (SELECT app_operator()) ORDER BY no DESC)
    UNION ALL
    (SELECT no, at, login_id, seat_id, key_id, address, request, kind, id, made, before, after FROM audit WHERE partner_id = (SELECT app_partner()) AND NOT (SELECT app_operator()) AND (SELECT app_merchant()) IS NULL ORDER BY no DESC)
  ) a LEFT JOIN login l ON l.id = a.login_id LEFT JOIN seat t ON t.id = a.seat_id
    LEFT JOIN partner p ON p.id = t.partner_id LEFT JOIN merchant m ON m.id = t.merchant_id
    LEFT JOIN api_key y ON y.id = a.key_id LEFT JOIN merchant k ON k.id = y.merchant_id
    CROSS JOIN LATERAL (SELECT (SELECT app_operator()) OR coalesce(t.merchant_id, y.merchant_id) = (SELECT app_merchant()) OR t.partner_id = (SELECT app_partner()) AS own) o;

-- What operators do at the console, and a session that changes to another seat.
CREATE TRIGGER noted AFTER INSERT ON fx_rate FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator')) EXECUTE FUNCTION note_act('rate', 'base');
CREATE TRIGGER noted AFTER INSERT ON forged_declaration FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator')) EXECUTE FUNCTION note_act('forged', 'topic');
CREATE TRIGGER noted_seat AFTER UPDATE OF seat_id ON session FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator') AND OLD.seat_id IS DISTINCT FROM NEW.seat_id) EXECUTE FUNCTION note_act('session', 'seat_id');

CREATE FUNCTION masked(mail text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp
  RETURN left(mail, 1) || '***@' || split_part(mail, '@', 2);
-- Notes what cannot be copied: that a dead letter was edited, returned or given up, not what it holds, and that an address changed, by its
-- first letter and its host.
-- +goose StatementBegin
CREATE FUNCTION note_masked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  was jsonb;
  now_is jsonb;
  merchant bigint;
  partner bigint;
BEGIN
  IF TG_TABLE_NAME = 'login' THEN
    was := jsonb_build_object('email', masked(OLD.email));
    now_is := jsonb_build_object('email', masked(NEW.email));
    SELECT t.merchant_id, t.partner_id INTO merchant, partner FROM seat t WHERE t.login_id = NEW.id AND t.ended_at IS NULL ORDER BY t.used_at DESC NULLS LAST, t.id LIMIT 1;
  ELSE
    was := jsonb_build_object('state', OLD.state);
    now_is := jsonb_strip_nulls(jsonb_build_object('consumer', NEW.consumer, 'state', NEW.state, 'note', nullif(NEW.note, ''), 'edited', CASE WHEN NEW.value <> OLD.value OR NEW.key <> OLD.key THEN true END));
  END IF;
  INSERT INTO audit (login_id, seat_id, merchant_id, partner_id, address, request, kind, id, made, before, after)
  VALUES (nullif(current_setting('app.login', true), '')::bigint, nullif(current_setting('app.seat', true), '')::bigint, merchant, partner,
    coalesce(current_setting('app.address', true), ''), coalesce(current_setting('app.request', true), ''),
    CASE TG_TABLE_NAME WHEN 'login' THEN 'login' ELSE 'dead_letter' END, CASE TG_TABLE_NAME WHEN 'login' THEN to_jsonb(NEW) ->> 'id' ELSE to_jsonb(NEW) ->> 'no' END, false, was, now_is);
  RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION note_masked() FROM PUBLIC;
CREATE TRIGGER noted_email AFTER UPDATE OF email ON login FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator') AND OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION note_masked();
CREATE TRIGGER noted AFTER UPDATE ON dead_letter FOR EACH ROW
  WHEN (session_user = 'tributary_operator') EXECUTE FUNCTION note_masked();

-- A password that was wrong is noted where its person works: twenty in a day, so that whoever tries cannot fill the log. An address that
-- nobody has leaves nothing.
CREATE FUNCTION signin_failed(mail text, network text, request text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO audit (login_id, seat_id, merchant_id, partner_id, address, request, kind, id, made)
  SELECT l.id, t.id, t.merchant_id, t.partner_id, network, signin_failed.request, 'signin_failed', l.id::text, true
    FROM login l CROSS JOIN LATERAL (SELECT s.id, s.merchant_id, s.partner_id FROM seat s WHERE s.login_id = l.id AND s.ended_at IS NULL ORDER BY s.used_at DESC NULLS LAST, s.id LIMIT 1) t
   WHERE l.email = mail AND (SELECT count(*) FROM audit a WHERE a.kind = 'signin_failed' AND a.login_id = l.id AND a.at > now() - interval '1 day') < 20
$$;
CREATE INDEX audit_failed ON audit (login_id, at) WHERE kind = 'signin_failed';

-- Removes what is older than the operator keeps it, a bounded number at a time, and notes how much. What is younger than 400 days nobody
-- removes, and nothing is ever updated.
CREATE INDEX audit_at ON audit (at);
DROP TRIGGER insert_only ON audit;
CREATE TRIGGER insert_only BEFORE UPDATE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER kept BEFORE DELETE ON audit FOR EACH ROW WHEN (OLD.at > now() - interval '400 days') EXECUTE FUNCTION books_are_insert_only();
-- +goose StatementBegin
CREATE FUNCTION audit_sweep(days int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE removed bigint;
BEGIN
  IF days < 400 OR NOT pg_try_advisory_xact_lock(hashtext('audit_sweep')) THEN RETURN 0; END IF;
  DELETE FROM audit WHERE no IN (SELECT a.no FROM audit a WHERE a.at < now() - make_interval(days => days) ORDER BY a.at LIMIT 10000);
  GET DIAGNOSTICS removed = ROW_COUNT;
  IF removed > 0 THEN
    INSERT INTO audit (address, request, kind, id, made, after) VALUES ('', '', 'audit', '', true, jsonb_build_object('removed', removed, 'older_than_days', days));
  END IF;
  RETURN removed;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  FOREACH f IN ARRAY ARRAY['signin_failed(text, text, text)', 'audit_sweep(int)']::regprocedure[] LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tributary_dashboard', f);
  END LOOP;
END $$;
-- +goose StatementEnd
