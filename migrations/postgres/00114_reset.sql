-- Somebody who lost their password gets a link from whoever may give it: it is shown once, holds for a day, and its form sets another
-- password, which ends every session of theirs.

-- +goose Up

-- Makes a link for the person of a seat: done, not_found (the seat is not in the scope), not_permitted (a person of the network's is
-- its owner's to help) or elsewhere (they have a seat outside the scope, to which the link would be a way). Earlier links end.
-- +goose StatementBegin
CREATE FUNCTION reset_offer(seat bigint, link bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE person bigint;
BEGIN
  SELECT t.login_id INTO person FROM seat t JOIN login l ON l.id = t.login_id
    WHERE t.id = reset_offer.seat AND t.ended_at IS NULL AND l.disabled_at IS NULL AND scope_holds(t.merchant_id, t.partner_id);
  IF person IS NULL THEN RETURN 'not_found'; END IF;
  IF EXISTS (SELECT FROM seat t WHERE t.login_id = person AND t.ended_at IS NULL AND NOT scope_holds(t.merchant_id, t.partner_id)) THEN RETURN 'elsewhere'; END IF;
  IF EXISTS (SELECT FROM seat t WHERE t.login_id = person AND t.ended_at IS NULL AND t.network) AND NOT acts_as_owner() THEN RETURN 'not_permitted'; END IF;
  UPDATE ticket k SET ended_at = now() WHERE k.kind = 'reset' AND k.login_id = person AND k.used_at IS NULL AND k.ended_at IS NULL;
  INSERT INTO ticket (kind, hash, login_id, created_by, expires_at)
  VALUES ('reset', link, person, nullif(current_setting('app.login', true), '')::bigint, now() + interval '1 day');
  RETURN 'done';
END $$;
-- +goose StatementEnd

-- Spends a link on another password, and tells whether it held.
-- +goose StatementBegin
CREATE FUNCTION reset_use(link bytea, hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE person bigint;
BEGIN
  UPDATE ticket k SET used_at = now() WHERE k.hash = link AND k.kind = 'reset' AND k.used_at IS NULL AND k.ended_at IS NULL AND k.expires_at > now()
    AND EXISTS (SELECT FROM login l WHERE l.id = k.login_id AND l.disabled_at IS NULL) RETURNING k.login_id INTO person;
  IF person IS NULL THEN RETURN false; END IF;
  PERFORM set_config('app.login', person::text, true);
  UPDATE login SET password_hash = reset_use.hash WHERE id = person;
  DELETE FROM session s WHERE s.login_id = person; -- also where the password is the same again
  RETURN true;
END $$;
-- +goose StatementEnd

CREATE TRIGGER noted_reset AFTER INSERT ON ticket FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator') AND NEW.kind = 'reset') EXECUTE FUNCTION note_act('reset_link', 'login_id');

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tributary_signin TO %I', current_user);
  END IF;
  GRANT CREATE ON SCHEMA public TO tributary_signin; -- a function's new owner needs it
  FOREACH f IN ARRAY ARRAY['reset_offer(bigint, bytea)', 'reset_use(bytea, text)']::regprocedure[]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tributary_dashboard', f);
    EXECUTE format('ALTER FUNCTION %s OWNER TO tributary_signin', f);
  END LOOP;
  GRANT EXECUTE ON FUNCTION reset_offer(bigint, bytea) TO tributary_operator;
  REVOKE CREATE ON SCHEMA public FROM tributary_signin;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('REVOKE tributary_signin FROM %I', current_user);
  END IF;
END $$;
-- +goose StatementEnd
