-- People are invited into an organisation by a link that is shown once: it holds for a week, and a form spends it.

-- +goose Up

GRANT UPDATE (ended_at) ON seat TO tributary_signin;

-- Tells whether the scope of the transaction holds an organisation: the network's holds all.
CREATE FUNCTION scope_holds(merchant bigint, partner bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(app_operator(), false) OR coalesce(merchant = app_merchant(), false) OR coalesce(partner = app_partner(), false)
$$;

-- Tells whether whoever acts owns their organisation; at the console everybody does.
CREATE FUNCTION acts_as_owner() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT session_user <> 'tributary_dashboard' OR EXISTS (
    SELECT FROM seat WHERE id = nullif(current_setting('app.seat', true), '')::bigint AND role = 'owner' AND ended_at IS NULL)
$$;

-- The people of the scope, a row for each seat, and the invitations that are open.
CREATE VIEW scoped_person AS
  SELECT t.id AS seat_id, l.email, l.name, t.role, t.network, coalesce(t.merchant_id, 0) AS merchant_id, coalesce(t.partner_id, 0) AS partner_id,
    coalesce(p.name, m.name, (SELECT n.name FROM network n), 'Network') AS "of", t.created_at, t.used_at, l.disabled_at IS NOT NULL AS disabled
  FROM seat t JOIN login l ON l.id = t.login_id LEFT JOIN partner p ON p.id = t.partner_id LEFT JOIN merchant m ON m.id = t.merchant_id
  WHERE t.ended_at IS NULL AND ((SELECT app_operator()) OR t.merchant_id = (SELECT app_merchant()) OR t.partner_id = (SELECT app_partner()));
CREATE VIEW scoped_invitation AS
  SELECT k.id, k.email, k.role, k.network, coalesce(k.merchant_id, 0) AS merchant_id, coalesce(k.partner_id, 0) AS partner_id,
    coalesce(p.name, m.name, (SELECT n.name FROM network n), 'Network') AS "of", k.created_at, k.expires_at
  FROM ticket k LEFT JOIN partner p ON p.id = k.partner_id LEFT JOIN merchant m ON m.id = k.merchant_id
  WHERE k.kind = 'invite' AND k.used_at IS NULL AND k.ended_at IS NULL AND k.expires_at > now()
    AND ((SELECT app_operator()) OR k.merchant_id = (SELECT app_merchant()) OR k.partner_id = (SELECT app_partner()));
REVOKE ALL ON scoped_person, scoped_invitation FROM tributary_reader;
GRANT SELECT ON scoped_person, scoped_invitation TO tributary_dashboard;

-- Invites somebody into an organisation of the scope, in place of an earlier invitation there: done, not_found, not_permitted,
-- seated (they have a seat there) or too_many (50 a day).
-- +goose StatementBegin
CREATE FUNCTION invite(mail text, is_network boolean, merchant bigint, partner bigint, as_role text, link bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT scope_holds(merchant, partner) OR NOT (is_network OR EXISTS (SELECT FROM merchant m WHERE m.id = invite.merchant) OR EXISTS (SELECT FROM partner p WHERE p.id = invite.partner)) THEN
    RETURN 'not_found';
  END IF;
  IF is_network AND NOT acts_as_owner() THEN RETURN 'not_permitted'; END IF;
  PERFORM pg_advisory_xact_lock(hashtext(format('invite %s %s', merchant, partner)));
  IF EXISTS (SELECT FROM seat t JOIN login l ON l.id = t.login_id WHERE l.email = mail AND t.ended_at IS NULL
      AND (t.network, t.merchant_id, t.partner_id) IS NOT DISTINCT FROM (is_network, merchant, partner)) THEN
    RETURN 'seated';
  END IF;
  IF (SELECT count(*) FROM ticket k WHERE k.kind = 'invite' AND k.created_at > now() - interval '1 day'
      AND (k.network, k.merchant_id, k.partner_id) IS NOT DISTINCT FROM (is_network, merchant, partner)) >= 50 THEN
    RETURN 'too_many';
  END IF;
  UPDATE ticket k SET ended_at = now() WHERE k.kind = 'invite' AND k.email = mail AND k.used_at IS NULL AND k.ended_at IS NULL
    AND (k.network, k.merchant_id, k.partner_id) IS NOT DISTINCT FROM (is_network, merchant, partner);
  INSERT INTO ticket (kind, hash, email, network, merchant_id, partner_id, role, created_by, expires_at)
  VALUES ('invite', link, mail, is_network, merchant, partner, as_role, nullif(current_setting('app.login', true), '')::bigint, now() + interval '7 days');
  RETURN 'done';
END $$;
-- +goose StatementEnd

-- Takes an open invitation of the scope back, and tells whether there was one.
CREATE FUNCTION invite_end(invitation bigint) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH ended AS (
    UPDATE ticket k SET ended_at = now() WHERE k.id = invitation AND k.kind = 'invite' AND k.used_at IS NULL AND k.ended_at IS NULL
      AND scope_holds(k.merchant_id, k.partner_id) AND (NOT k.network OR acts_as_owner()) RETURNING 1
  )
  SELECT EXISTS (SELECT FROM ended)
$$;

-- Ends a seat of the scope: done, not_found, not_permitted, or last_owner, who stays.
-- +goose StatementBegin
CREATE FUNCTION seat_end(seat bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE s seat%ROWTYPE;
BEGIN
  SELECT t.* INTO s FROM seat t WHERE t.id = seat_end.seat AND t.ended_at IS NULL;
  IF NOT FOUND OR NOT scope_holds(s.merchant_id, s.partner_id) THEN RETURN 'not_found'; END IF;
  IF s.network AND NOT acts_as_owner() THEN RETURN 'not_permitted'; END IF;
  PERFORM pg_advisory_xact_lock(hashtext(format('owners %s %s', s.merchant_id, s.partner_id)));
  IF s.role = 'owner' AND NOT EXISTS (SELECT FROM seat t WHERE t.id <> s.id AND t.role = 'owner' AND t.ended_at IS NULL
      AND (t.network, t.merchant_id, t.partner_id) IS NOT DISTINCT FROM (s.network, s.merchant_id, s.partner_id)) THEN
    RETURN 'last_owner';
  END IF;
  UPDATE seat t SET ended_at = now() WHERE t.id = s.id;
  RETURN 'done';
END $$;
-- +goose StatementEnd

-- What a link is about, and whether it holds: open, used, ended or late. Reading spends nothing.
CREATE FUNCTION ticket_read(link bytea)
RETURNS TABLE (kind text, email text, "of" text, org text, role text, state text, used_at timestamptz, known boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT k.kind, coalesce(k.email, l.email, ''), coalesce(p.name, m.name, (SELECT n.name FROM network n), 'Network'),
    CASE WHEN k.merchant_id IS NOT NULL THEN 'merchant' WHEN k.partner_id IS NOT NULL THEN 'partner' ELSE 'network' END, coalesce(k.role, ''),
    CASE WHEN k.used_at IS NOT NULL THEN 'used' WHEN k.ended_at IS NOT NULL THEN 'ended' WHEN k.expires_at <= now() THEN 'late' ELSE 'open' END,
    k.used_at, EXISTS (SELECT FROM login o WHERE o.email = k.email)
  FROM ticket k LEFT JOIN login l ON l.id = k.login_id LEFT JOIN partner p ON p.id = k.partner_id LEFT JOIN merchant m ON m.id = k.merchant_id
  WHERE k.hash = link AND k.kind <> 'setup'
$$;

-- Accepts an invitation as somebody new: done, spent (it does not hold) or known (the address has a log-in).
-- +goose StatementBegin
CREATE FUNCTION invite_accept(link bytea, person text, hash text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE k ticket%ROWTYPE; made bigint;
BEGIN
  UPDATE ticket t SET used_at = now() WHERE t.hash = link AND t.kind = 'invite' AND t.used_at IS NULL AND t.ended_at IS NULL AND t.expires_at > now()
    AND NOT EXISTS (SELECT FROM login l WHERE l.email = t.email) RETURNING t.* INTO k;
  IF NOT FOUND THEN
    RETURN CASE WHEN EXISTS (SELECT FROM ticket t JOIN login l ON l.email = t.email WHERE t.hash = link AND t.used_at IS NULL) THEN 'known' ELSE 'spent' END;
  END IF;
  INSERT INTO login (email, name, password_hash) VALUES (k.email, person, invite_accept.hash) RETURNING id INTO made;
  PERFORM set_config('app.login', made::text, true);
  INSERT INTO seat (login_id, network, merchant_id, partner_id, role) VALUES (made, k.network, k.merchant_id, k.partner_id, k.role);
  RETURN 'done';
END $$;
-- +goose StatementEnd

-- Accepts an invitation as whoever the session is of: done, spent, other_person (it is to another address) or seated.
-- +goose StatementBegin
CREATE FUNCTION invite_take(link bytea, token bytea, OUT outcome text, OUT seat bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE k ticket%ROWTYPE; who bigint; mail text;
BEGIN
  SELECT l.id, l.email INTO who, mail FROM session s JOIN login l ON l.id = s.login_id AND l.disabled_at IS NULL WHERE s.token_hash = token AND s.expires_at > now();
  SELECT t.* INTO k FROM ticket t WHERE t.hash = link AND t.kind = 'invite' AND t.used_at IS NULL AND t.ended_at IS NULL AND t.expires_at > now() FOR UPDATE;
  IF k.id IS NULL THEN outcome := 'spent'; RETURN; END IF;
  IF mail IS DISTINCT FROM k.email THEN outcome := 'other_person'; RETURN; END IF;
  IF EXISTS (SELECT FROM seat t WHERE t.login_id = who AND t.ended_at IS NULL
      AND (t.network, t.merchant_id, t.partner_id) IS NOT DISTINCT FROM (k.network, k.merchant_id, k.partner_id)) THEN
    outcome := 'seated'; RETURN;
  END IF;
  UPDATE ticket t SET used_at = now() WHERE t.id = k.id;
  INSERT INTO seat (login_id, network, merchant_id, partner_id, role) VALUES (who, k.network, k.merchant_id, k.partner_id, k.role) RETURNING id INTO invite_take.seat;
  outcome := 'done';
END $$;
-- +goose StatementEnd

-- Who invites is in the audit log, with the role and the organisation; the hash of the link is not.
CREATE TRIGGER noted AFTER INSERT OR UPDATE ON ticket FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator') AND NEW.kind = 'invite') EXECUTE FUNCTION note_act('invitation', 'id');

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tributary_signin TO %I', current_user);
  END IF;
  GRANT CREATE ON SCHEMA public TO tributary_signin; -- a function's new owner needs it
  FOREACH f IN ARRAY ARRAY['acts_as_owner()', 'invite(text, boolean, bigint, bigint, text, bytea)', 'invite_end(bigint)', 'seat_end(bigint)', 'ticket_read(bytea)',
    'invite_accept(bytea, text, text)', 'invite_take(bytea, bytea)']::regprocedure[]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tributary_dashboard', f);
    EXECUTE format('ALTER FUNCTION %s OWNER TO tributary_signin', f);
  END LOOP;
  GRANT EXECUTE ON FUNCTION invite(text, boolean, bigint, bigint, text, bytea) TO tributary_operator;
  REVOKE CREATE ON SCHEMA public FROM tributary_signin;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('REVOKE tributary_signin FROM %I', current_user);
  END IF;
END $$;
-- +goose StatementEnd
