-- A log-in is a person; a seat puts the person into an organisation, the network, a merchant or a partner, with a role there. A
-- person may have several seats, and a session is in one of them.

-- +goose Up

CREATE TABLE seat (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  login_id    bigint NOT NULL REFERENCES login ON DELETE CASCADE,
  network     boolean NOT NULL DEFAULT false,
  merchant_id bigint REFERENCES merchant,
  partner_id  bigint REFERENCES partner,
  role        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  used_at     timestamptz, -- when it was last taken: a sign-in goes to the seat of the last time
  ended_at    timestamptz,
  CHECK (network::int + num_nonnulls(merchant_id, partner_id) = 1),
  CONSTRAINT seat_role_check CHECK (role = ANY (CASE -- partners/access: roles
    WHEN network THEN ARRAY['owner', 'admin', 'payouts', 'support', 'auditor']
    WHEN merchant_id IS NOT NULL THEN ARRAY['owner', 'manager', 'finance', 'developer', 'viewer']
    ELSE ARRAY['owner', 'editor', 'viewer'] END))
);
CREATE UNIQUE INDEX seat_once ON seat (login_id, network, merchant_id, partner_id) NULLS NOT DISTINCT WHERE ended_at IS NULL;

ALTER TABLE session ADD COLUMN seat_id bigint REFERENCES seat ON DELETE CASCADE;

-- Everyone keeps what they had, all rights in one organisation, and stays signed in.
-- +goose StatementBegin
DO $$
DECLARE people bigint; sessions bigint;
BEGIN
  SELECT count(*) INTO people FROM login;
  SELECT count(*) INTO sessions FROM session;
  INSERT INTO seat (login_id, network, merchant_id, partner_id, role) SELECT id, role = 'operator', merchant_id, partner_id, 'owner' FROM login;
  UPDATE session s SET seat_id = t.id FROM seat t WHERE t.login_id = s.login_id;
  IF (SELECT count(*) FROM seat) <> people OR (SELECT count(DISTINCT login_id) FROM seat) <> people THEN
    RAISE EXCEPTION 'there are % log-ins and % seats', people, (SELECT count(*) FROM seat);
  END IF;
  IF EXISTS (SELECT FROM login l JOIN seat t ON t.login_id = l.id
      WHERE t.network <> (l.role = 'operator') OR t.merchant_id IS DISTINCT FROM l.merchant_id OR t.partner_id IS DISTINCT FROM l.partner_id) THEN
    RAISE EXCEPTION 'a seat is in another organisation than its log-in';
  END IF;
  IF (SELECT count(seat_id) FROM session) <> sessions THEN
    RAISE EXCEPTION 'there are % sessions, of which % have a seat', sessions, (SELECT count(seat_id) FROM session);
  END IF;
END $$;
-- +goose StatementEnd

ALTER TABLE session ALTER COLUMN seat_id SET NOT NULL;
CREATE INDEX session_seat ON session (seat_id);

DROP FUNCTION signin(text, text);
DROP FUNCTION session_find(bytea);
DROP FUNCTION session_open(text, text, bytea, timestamptz);
ALTER TABLE login DROP COLUMN role, DROP COLUMN partner_id, DROP COLUMN merchant_id;

GRANT SELECT, UPDATE (used_at) ON seat TO tributary_signin;
GRANT SELECT, INSERT ON seat TO tributary_operator;
GRANT UPDATE (ended_at) ON seat TO tributary_operator;

ALTER TABLE seat ENABLE ROW LEVEL SECURITY;
ALTER TABLE seat FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON seat TO tributary_operator, tributary_signin, CURRENT_USER USING (true) WITH CHECK (true);

-- A person in a seat, as the functions below give them. others are the person's other seats, by name: [{"id", "of", "in", "role"}].
CREATE VIEW seated AS
  SELECT l.id, l.email, l.name, l.password_hash, t.id AS seat_id, t.role, t.network, coalesce(t.partner_id, 0) AS partner_id,
    coalesce(t.merchant_id, 0) AS merchant_id, coalesce(p.name, m.name, 'Network') AS "of", t.used_at
  FROM login l JOIN seat t ON t.login_id = l.id AND t.ended_at IS NULL
    LEFT JOIN partner p ON p.id = t.partner_id LEFT JOIN merchant m ON m.id = t.merchant_id
  WHERE l.disabled_at IS NULL;
REVOKE ALL ON seated FROM tributary_reader;
GRANT SELECT ON seated TO tributary_signin;

-- Who signs in with a hash that was derived, in the seat they took last; nobody where it is not the stored one, or where they
-- have no seat.
CREATE FUNCTION signin(mail text, hash text)
RETURNS TABLE (id bigint, email text, name text, seat bigint, role text, network boolean, partner bigint, merchant bigint, "of" text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT w.id, w.email, w.name, w.seat_id, w.role, w.network, w.partner_id, w.merchant_id, w."of"
  FROM seated w WHERE w.email = mail AND w.password_hash = hash ORDER BY w.used_at DESC NULLS LAST, w.seat_id LIMIT 1
$$;

-- Starts a session of who has the derived hash, in a seat of theirs, and gives the mark of their device; null where it is not the
-- stored one, or the seat is not theirs. The lock makes a change of the password wait, so that it ends this session too.
CREATE FUNCTION session_open(mail text, hash text, seat bigint, token bytea, until timestamptz) RETURNS bytea
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH person AS MATERIALIZED (
    SELECT l.id, l.password_hash FROM login l WHERE l.email = mail AND l.password_hash = hash AND l.disabled_at IS NULL FOR SHARE
  ), taken AS (
    UPDATE seat t SET used_at = now() FROM person p WHERE t.id = session_open.seat AND t.login_id = p.id AND t.ended_at IS NULL RETURNING t.id
  ), opened AS (
    INSERT INTO session (token_hash, login_id, seat_id, data, expires_at) SELECT token, p.id, t.id, '{}', until FROM person p, taken t
  )
  SELECT sha256(sha256(convert_to(p.id || ' ' || p.password_hash, 'UTF8')) || k.key) FROM person p, taken, signin_secret k
$$;

-- A live session and whose it is, in which seat, and which others they have.
CREATE FUNCTION session_find(token bytea)
RETURNS TABLE (data bytea, id bigint, email text, name text, seat bigint, role text, network boolean, partner bigint, merchant bigint, "of" text, others jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT s.data, w.id, w.email, w.name, w.seat_id, w.role, w.network, w.partner_id, w.merchant_id, w."of",
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.seat_id, 'of', o."of", 'role', o.role, 'network', o.network, 'partner', o.partner_id, 'merchant', o.merchant_id) ORDER BY o."of", o.seat_id), '[]')
     FROM seated o WHERE o.id = w.id AND o.seat_id <> w.seat_id)
  FROM session s JOIN seated w ON w.seat_id = s.seat_id WHERE s.token_hash = token AND s.expires_at > now()
$$;

-- Puts a session into another seat of the same person, and tells whether it did.
CREATE FUNCTION session_seat(token bytea, seat bigint) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH taken AS (
    UPDATE seat t SET used_at = now() FROM session s
    WHERE s.token_hash = token AND s.expires_at > now() AND t.login_id = s.login_id AND t.id = session_seat.seat AND t.ended_at IS NULL RETURNING t.id
  ), moved AS (
    UPDATE session s SET seat_id = t.id FROM taken t WHERE s.token_hash = token
  )
  SELECT EXISTS (SELECT FROM taken)
$$;

-- A seat that ends takes its sessions with it.
-- +goose StatementBegin
CREATE FUNCTION seat_ends_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM session WHERE seat_id = NEW.id;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER ends_sessions AFTER UPDATE OF ended_at ON seat FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION seat_ends_sessions();

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tributary_signin TO %I', current_user);
  END IF;
  GRANT CREATE ON SCHEMA public TO tributary_signin; -- a function's new owner needs it
  FOREACH f IN ARRAY ARRAY['signin(text, text)', 'session_open(text, text, bigint, bytea, timestamptz)', 'session_find(bytea)', 'session_seat(bytea, bigint)',
    'seat_ends_sessions()']::regprocedure[]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    IF f <> 'seat_ends_sessions()'::regprocedure THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tributary_dashboard', f);
    END IF;
    EXECUTE format('ALTER FUNCTION %s OWNER TO tributary_signin', f);
  END LOOP;
  REVOKE CREATE ON SCHEMA public FROM tributary_signin;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('REVOKE tributary_signin FROM %I', current_user);
  END IF;
END $$;
-- +goose StatementEnd
