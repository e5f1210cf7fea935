-- One-time tickets: what is shown once to somebody, of which the SHA-256 is stored, and which a form spends. The first kind is the
-- code that sets up an empty network.

-- +goose Up

CREATE TABLE ticket (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('setup', 'invite', 'reset')),
  hash        bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  email       text CHECK (email = lower(email) AND octet_length(email) BETWEEN 3 AND 254), -- to whom an invitation is
  network     boolean NOT NULL DEFAULT false, -- into what it is, and as what
  merchant_id bigint REFERENCES merchant,
  partner_id  bigint REFERENCES partner,
  role        text,
  login_id    bigint REFERENCES login ON DELETE CASCADE, -- whose password a reset sets
  created_by  bigint REFERENCES login ON DELETE SET NULL, -- null at the console
  created_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,
  used_at     timestamptz,
  ended_at    timestamptz CHECK (used_at IS NULL OR ended_at IS NULL), -- taken back
  CHECK (CASE kind WHEN 'setup' THEN num_nonnulls(email, merchant_id, partner_id, role, login_id) = 0 AND NOT network
    WHEN 'invite' THEN num_nonnulls(email, role) = 2 AND network::int + num_nonnulls(merchant_id, partner_id) = 1 AND login_id IS NULL
    ELSE login_id IS NOT NULL AND num_nonnulls(email, merchant_id, partner_id, role) = 0 AND NOT network END)
);

-- What the network is called; without a row, Network.
CREATE TABLE network (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  name text NOT NULL CHECK (name = btrim(name) AND length(name) BETWEEN 1 AND 100)
);
REVOKE ALL ON ticket FROM tributary_reader;
GRANT SELECT ON network TO tributary_dashboard, tributary_operator, tributary_signin;
GRANT INSERT ON network TO tributary_signin;
GRANT SELECT, INSERT, UPDATE (used_at, ended_at) ON ticket TO tributary_signin;
GRANT INSERT (email, name, password_hash) ON login TO tributary_signin;
GRANT INSERT ON seat TO tributary_signin;

ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON ticket TO tributary_signin, CURRENT_USER USING (true) WITH CHECK (true);

CREATE OR REPLACE VIEW seated AS
  SELECT l.id, l.email, l.name, l.password_hash, t.id AS seat_id, t.role, t.network, coalesce(t.partner_id, 0) AS partner_id,
    coalesce(t.merchant_id, 0) AS merchant_id, coalesce(p.name, m.name, (SELECT n.name FROM network n), 'Network') AS "of", t.used_at
  FROM login l JOIN seat t ON t.login_id = l.id AND t.ended_at IS NULL
    LEFT JOIN partner p ON p.id = t.partner_id LEFT JOIN merchant m ON m.id = t.merchant_id
  WHERE l.disabled_at IS NULL;

CREATE OR REPLACE VIEW scoped_audit AS
  SELECT a.no, a.at, CASE WHEN o.own THEN a.address ELSE '' END AS address, a.kind, a.id, a.made,
    CASE WHEN o.own THEN coalesce(l.email, '') ELSE '' END AS email,
    coalesce(p.name, m.name, CASE WHEN t.network THEN coalesce((SELECT n.name FROM network n), 'Network') END, k.name, '') AS "of",
    coalesce(a.key_id, 0) AS key_id,
    CASE WHEN o.own THEN coalesce(a.before, '{}') ELSE '{}' END AS before,
    CASE WHEN o.own THEN coalesce(a.after, '{}') ELSE '{}' END AS after,
    CASE WHEN o.own THEN a.request ELSE '' END AS request
  FROM audit a LEFT JOIN login l ON l.id = a.login_id LEFT JOIN seat t ON t.id = a.seat_id
    LEFT JOIN partner p ON p.id = t.partner_id LEFT JOIN merchant m ON m.id = t.merchant_id
    LEFT JOIN api_key y ON y.id = a.key_id LEFT JOIN merchant k ON k.id = y.merchant_id
    CROSS JOIN LATERAL (SELECT (SELECT app_operator()) OR coalesce(t.merchant_id, y.merchant_id) = (SELECT app_merchant()) OR t.partner_id = (SELECT app_partner()) AS own) o
  WHERE (SELECT app_operator()) OR a.merchant_id = (SELECT app_merchant()) OR a.partner_id = (SELECT app_partner());

-- A network is empty while nobody owns it.
CREATE FUNCTION network_is_empty() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT NOT EXISTS (SELECT FROM seat WHERE network AND role = 'owner' AND ended_at IS NULL)
$$;

-- Keeps a code for setting up an empty network, for a day, and ends earlier ones; tells whether it is one.
-- +goose StatementBegin
CREATE FUNCTION setup_offer(code bytea) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('setup'));
  IF NOT network_is_empty() THEN RETURN false; END IF;
  UPDATE ticket SET ended_at = now() WHERE kind = 'setup' AND used_at IS NULL AND ended_at IS NULL;
  INSERT INTO ticket (kind, hash, expires_at) VALUES ('setup', code, now() + interval '1 day');
  RETURN true;
END $$;
-- +goose StatementEnd

-- Tells whether a code would set the network up.
CREATE FUNCTION setup_known(code bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT network_is_empty() AND EXISTS (SELECT FROM ticket WHERE kind = 'setup' AND hash = code AND used_at IS NULL AND ended_at IS NULL AND expires_at > now())
$$;

-- Names the network and makes its owner, with the code: done, over (it has one), wrong (the code) or known (the address has a
-- log-in). Of two at once the second waits, and finds it over.
-- +goose StatementBegin
CREATE FUNCTION setup(code bytea, called text, mail text, person text, hash text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE made bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('setup'));
  IF NOT network_is_empty() THEN RETURN 'over'; END IF;
  IF EXISTS (SELECT FROM login l WHERE l.email = mail) THEN RETURN 'known'; END IF;
  UPDATE ticket t SET used_at = now() WHERE t.kind = 'setup' AND t.hash = code AND t.used_at IS NULL AND t.ended_at IS NULL AND t.expires_at > now();
  IF NOT FOUND THEN RETURN 'wrong'; END IF;
  INSERT INTO login (email, name, password_hash) VALUES (mail, person, setup.hash) RETURNING id INTO made;
  INSERT INTO seat (login_id, network, role) VALUES (made, true, 'owner');
  INSERT INTO network (name) VALUES (called) ON CONFLICT DO NOTHING;
  RETURN 'done';
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tributary_signin TO %I', current_user);
  END IF;
  GRANT CREATE ON SCHEMA public TO tributary_signin; -- a function's new owner needs it
  FOREACH f IN ARRAY ARRAY['network_is_empty()', 'setup_offer(bytea)', 'setup_known(bytea)', 'setup(bytea, text, text, text, text)']::regprocedure[]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tributary_dashboard', f);
    EXECUTE format('ALTER FUNCTION %s OWNER TO tributary_signin', f);
  END LOOP;
  GRANT EXECUTE ON FUNCTION setup_offer(bytea) TO tributary_operator;
  REVOKE CREATE ON SCHEMA public FROM tributary_signin;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('REVOKE tributary_signin FROM %I', current_user);
  END IF;
END $$;
-- +goose StatementEnd
