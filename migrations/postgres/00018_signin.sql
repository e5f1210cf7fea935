-- Signing in without sight of a password's hash: the functions below compare it, and no log-in reads it. Rows of log-ins,
-- sessions, merchants and partners are bound to who may see them, like those of the books.

-- +goose Up

-- Owns the functions, logs in nowhere, and holds just the rights that they need. An owner who is no superuser must be a member
-- to hand them over.
-- +goose StatementBegin
DO $$
BEGIN
  BEGIN
    CREATE ROLE tributary_signin NOLOGIN;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tributary_signin TO %I', current_user);
  END IF;
END $$;
-- +goose StatementEnd

ALTER TABLE login ADD CONSTRAINT login_password_hash_check -- dashboard/password.Hash
  CHECK (password_hash ~ '^\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{43}$');

DELETE FROM session; -- they are of another form

-- Keys what the functions answer: the salt of a name that nobody has, and the marks of known devices.
CREATE TABLE signin_secret (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  key bytea   NOT NULL CHECK (length(key) = 32)
);
INSERT INTO signin_secret (key) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

REVOKE ALL ON signin_secret FROM tributary_reader;
REVOKE ALL ON login, session FROM tributary_dashboard;
REVOKE UPDATE (password_hash) ON login FROM tributary_dashboard;
GRANT SELECT (id, email, name, password_hash, role, partner_id, merchant_id, disabled_at), UPDATE (password_hash) ON login TO tributary_signin;
GRANT SELECT, INSERT, UPDATE, DELETE ON session TO tributary_signin;
GRANT SELECT (id, name) ON merchant, partner TO tributary_signin;
GRANT SELECT ON signin_secret TO tributary_signin;

-- The loader works on records and asks nobody who is in the network.
REVOKE SELECT ON catalogue, merchant, api_key, program, terms, terms_rate, partner, enrolment, link FROM tributary_loader;

-- +goose StatementBegin
DO $$
DECLARE t text; stages text; rule text;
BEGIN
  FOR t, stages, rule IN VALUES
    ('login',    'tributary_operator, tributary_signin', NULL),
    ('session',  'tributary_signin', NULL),
    -- A merchant, its programs' partners; a partner, the merchants of its programs: program and enrolment have policies of their own.
    ('merchant', 'tributary_tracker, tributary_engine, tributary_operator, tributary_signin',
                 'id = (SELECT app_merchant()) OR EXISTS (SELECT FROM program g WHERE g.merchant_id = merchant.id)'),
    ('partner',  'tributary_tracker, tributary_engine, tributary_operator, tributary_signin',
                 'id = (SELECT app_partner()) OR EXISTS (SELECT FROM enrolment e WHERE e.partner_id = partner.id)')
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY river ON %I TO %s, CURRENT_USER USING (true) WITH CHECK (true)', t, stages);
    IF rule IS NOT NULL THEN
      EXECUTE format('CREATE POLICY tenant ON %I FOR SELECT TO tributary_dashboard USING ((SELECT app_operator()) OR %s)', t, rule);
    END IF;
  END LOOP;
END $$;
-- +goose StatementEnd

-- What a password must be derived with: the stored hash without its last part. A name that nobody has gets a salt of its own,
-- always the same, at today's cost (dashboard/password). known says that the mark is of a device from which this person signed in.
CREATE FUNCTION signin_challenge(mail text, device bytea, OUT challenge text, OUT known boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(regexp_replace(l.password_hash, '\$[^$]*$', ''),
      '$argon2id$v=19$m=19456,t=2,p=1$' || rtrim(encode(substr(sha256(sha256(convert_to(mail, 'UTF8')) || k.key), 1, 16), 'base64'), '=')),
    coalesce(sha256(sha256(convert_to(l.id || ' ' || l.password_hash, 'UTF8')) || k.key) = device, false)
  FROM signin_secret k LEFT JOIN login l ON l.email = mail AND l.disabled_at IS NULL
$$;

-- Who signs in with a hash that was derived; nobody where it is not the stored one.
CREATE FUNCTION signin(mail text, hash text)
RETURNS TABLE (id bigint, email text, name text, role text, partner bigint, merchant bigint, "of" text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT l.id, l.email, l.name, l.role, coalesce(l.partner_id, 0), coalesce(l.merchant_id, 0), coalesce(p.name, m.name, 'Network')
  FROM login l LEFT JOIN partner p ON p.id = l.partner_id LEFT JOIN merchant m ON m.id = l.merchant_id
  WHERE l.email = mail AND l.password_hash = hash AND l.disabled_at IS NULL
$$;

-- Starts a session of who has the derived hash and gives the mark of their device, or null where it is not the stored one. The
-- lock makes a change of the password wait, so that it ends this session too.
CREATE FUNCTION session_open(mail text, hash text, token bytea, until timestamptz) RETURNS bytea
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH person AS MATERIALIZED (
    SELECT l.id, l.password_hash FROM login l WHERE l.email = mail AND l.password_hash = hash AND l.disabled_at IS NULL FOR SHARE
  ), opened AS (
    INSERT INTO session (token_hash, login_id, data, expires_at) SELECT token, p.id, '{}', until FROM person p
  )
  SELECT sha256(sha256(convert_to(p.id || ' ' || p.password_hash, 'UTF8')) || k.key) FROM person p, signin_secret k
$$;

-- A live session and whose it is.
CREATE FUNCTION session_find(token bytea)
RETURNS TABLE (data bytea, id bigint, email text, name text, role text, partner bigint, merchant bigint, "of" text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT s.data, l.id, l.email, l.name, l.role, coalesce(l.partner_id, 0), coalesce(l.merchant_id, 0), coalesce(p.name, m.name, 'Network')
  FROM session s JOIN login l ON l.id = s.login_id AND l.disabled_at IS NULL
    LEFT JOIN partner p ON p.id = l.partner_id LEFT JOIN merchant m ON m.id = l.merchant_id
  WHERE s.token_hash = token AND s.expires_at > now()
$$;

-- Writes what a session holds, if it is still there: a request under way cannot bring back one that was ended meanwhile.
CREATE FUNCTION session_keep(token bytea, held bytea, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE session SET data = held, seen_at = now(), expires_at = until WHERE token_hash = token
$$;

CREATE FUNCTION session_end(token bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM session WHERE token_hash = token
$$;

-- Ends every session of the person whose session this is.
CREATE FUNCTION session_end_all(token bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM session WHERE login_id = (SELECT s.login_id FROM session s WHERE s.token_hash = token AND s.expires_at > now())
$$;

-- Where the person whose session this is is signed in.
CREATE FUNCTION session_list(token bytea) RETURNS TABLE (here boolean, created_at timestamptz, seen_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT s.token_hash = token, s.created_at, s.seen_at
  FROM session mine JOIN session s ON s.login_id = mine.login_id AND s.expires_at > now()
  WHERE mine.token_hash = token AND mine.expires_at > now() ORDER BY s.seen_at DESC LIMIT 50
$$;

-- Removes sessions that ran out, a bounded number at a time.
CREATE FUNCTION session_sweep() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM session WHERE token_hash IN (SELECT s.token_hash FROM session s WHERE s.expires_at < now() LIMIT 1000)
$$;

-- Sets another password for who has the derived hash of the present one, and tells whether it did.
CREATE FUNCTION password_change(mail text, hash text, next text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH changed AS (
    UPDATE login SET password_hash = next WHERE email = mail AND password_hash = hash AND disabled_at IS NULL RETURNING 1
  )
  SELECT EXISTS (SELECT FROM changed)
$$;

-- Another password, whoever sets it, and a person who is disabled: both end every session.
-- +goose StatementBegin
CREATE FUNCTION login_ends_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM session WHERE login_id = NEW.id;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER ends_sessions AFTER UPDATE OF password_hash, disabled_at ON login FOR EACH ROW
  WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash OR NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION login_ends_sessions();

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  GRANT CREATE ON SCHEMA public TO tributary_signin; -- a function's new owner needs it
  FOREACH f IN ARRAY ARRAY['signin_challenge(text, bytea)', 'signin(text, text)', 'session_open(text, text, bytea, timestamptz)', 'session_find(bytea)',
    'session_keep(bytea, bytea, timestamptz)', 'session_end(bytea)', 'session_end_all(bytea)', 'session_list(bytea)', 'session_sweep()',
    'password_change(text, text, text)', 'login_ends_sessions()']::regprocedure[]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    IF f <> 'login_ends_sessions()'::regprocedure THEN
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

-- The other functions that act with their owner's rights: nobody's temporary table stands in for one of theirs.
ALTER FUNCTION app_enrolled_in() SET search_path = pg_catalog, public, pg_temp;
ALTER FUNCTION bump_catalogue() SET search_path = pg_catalog, public, pg_temp;
ALTER FUNCTION posting_fits_accounts() SET search_path = pg_catalog, public, pg_temp;
REVOKE ALL ON FUNCTION app_enrolled_in(), bump_catalogue(), posting_fits_accounts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app_enrolled_in() TO tributary_dashboard;
