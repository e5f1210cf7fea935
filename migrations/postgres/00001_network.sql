-- Who is in the network: merchants, programs and their terms, partners, enrolments, links, keys, log-ins.
-- Money is bigint minor units, rates are parts per million, times are timestamptz in UTC.

-- +goose Up

-- The log-ins of the stages, and of who only reads; `tributary migrate` gives them their passwords. None of them owns a table
-- or is a member of another, so none can go round the policies below.
-- +goose StatementBegin
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['tributary_tracker', 'tributary_loader', 'tributary_engine', 'tributary_dashboard', 'tributary_operator', 'tributary_reader'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
  -- PostgreSQL refuses COPY into a table whose policies bind the role, and the engine writes in bulk for every tenant.
  FOREACH r IN ARRAY ARRAY['tributary_engine', 'tributary_reader'] LOOP
    IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = r) THEN
      EXECUTE format('ALTER ROLE %I BYPASSRLS', r);
    END IF;
  END LOOP;
END $$;
-- +goose StatementEnd

-- One row that every change to the catalogue (program, terms, link, key, enrolment) bumps within its transaction, so
-- that a reader can see with one cheap look whether what it holds in memory is still true.
CREATE TABLE catalogue (
  one     boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint  NOT NULL
);
INSERT INTO catalogue (version) VALUES (1);

-- changed is the transaction that last wrote the row: a reader that remembers the oldest transaction still running at
-- its last look (pg_snapshot_xmin) asks for rows at or after it, and so misses none, whatever the order of commits.
CREATE TABLE merchant (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL CHECK (name <> '' AND length(name) <= 200),
  created_at timestamptz NOT NULL DEFAULT now(),
  changed    xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE api_key (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  merchant_id bigint NOT NULL REFERENCES merchant,
  hash        bytea  NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of the whole key; the key itself is shown once
  prefix      text   NOT NULL CHECK (length(prefix) BETWEEN 8 AND 24),
  label       text   NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT now(),
  revoked_at  timestamptz,
  changed     xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX api_key_merchant ON api_key (merchant_id);

CREATE TABLE program (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  merchant_id bigint NOT NULL REFERENCES merchant,
  name        text   NOT NULL CHECK (name <> '' AND length(name) <= 200),
  landing_url text   NOT NULL CHECK (landing_url ~ '^https?://'),
  domains     text[] NOT NULL,            -- hosts (with their subdomains) that links may lead to
  click_param text   NOT NULL DEFAULT 'tclid' CHECK (click_param ~ '^[A-Za-z0-9_.~-]{1,40}$'),
  currencies  text[] NOT NULL CHECK (cardinality(currencies) > 0),
  created_at  timestamptz NOT NULL DEFAULT now(),
  changed     xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX program_merchant ON program (merchant_id);

-- The terms of a program, by version; those with the latest effective_from at or before an order's time apply to it.
CREATE TABLE terms (
  program_id      bigint NOT NULL REFERENCES program,
  version         int    NOT NULL CHECK (version > 0),
  effective_from  timestamptz NOT NULL,
  window_seconds  bigint NOT NULL CHECK (window_seconds > 0),   -- a click exactly this old still earns
  hold_seconds    bigint NOT NULL CHECK (hold_seconds >= 0),    -- from the order's time
  network_fee_ppm bigint NOT NULL CHECK (network_fee_ppm BETWEEN 0 AND 1000000), -- of the commission, on top of it
  created_at      timestamptz NOT NULL DEFAULT now(),
  changed         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (program_id, version),
  UNIQUE (program_id, effective_from)
);

-- What a partner of a kind earns on a line of a category; '*' is every category that has no row of its own.
CREATE TABLE terms_rate (
  program_id   bigint NOT NULL,
  version      int    NOT NULL,
  partner_kind text   NOT NULL CHECK (partner_kind IN ('site', 'member')),
  category     text   NOT NULL,
  rate_ppm     bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
  changed      xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (program_id, version, partner_kind, category),
  FOREIGN KEY (program_id, version) REFERENCES terms
);

-- Terms reach forward only, so that no order that was decided can fall under other terms later. The exception is a
-- program's first terms, written in the transaction that makes the program: no order can be older than it.
-- +goose StatementBegin
CREATE FUNCTION terms_reach_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.effective_from < now() AND NOT EXISTS (SELECT FROM program WHERE id = NEW.program_id AND created_at = now()) THEN
    RAISE EXCEPTION 'terms of program % cannot take effect in the past (%)', NEW.program_id, NEW.effective_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER terms_reach_forward BEFORE INSERT ON terms FOR EACH ROW EXECUTE FUNCTION terms_reach_forward();

-- A program keeps its currencies: they decide who earns, and an order must be decided the same whenever it is decided
-- again. A merchant who begins to sell in another currency makes another program for it.
-- +goose StatementBegin
CREATE FUNCTION currencies_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.currencies IS DISTINCT FROM OLD.currencies THEN
    RAISE EXCEPTION 'program % keeps its currencies %: make another program for others', OLD.id, OLD.currencies USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER currencies_stay BEFORE UPDATE ON program FOR EACH ROW EXECUTE FUNCTION currencies_stay();

CREATE TABLE partner (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind       text NOT NULL CHECK (kind IN ('site', 'member')),
  name       text NOT NULL CHECK (name <> '' AND length(name) <= 200),
  site_url   text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  changed    xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX partner_changed ON partner (changed);

CREATE TABLE enrolment (
  program_id bigint NOT NULL REFERENCES program,
  partner_id bigint NOT NULL REFERENCES partner,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (program_id, partner_id)
);
CREATE INDEX enrolment_partner ON enrolment (partner_id);

CREATE TABLE link (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code       text   NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}[a-z0-9]$'),
  program_id bigint NOT NULL,
  partner_id bigint NOT NULL,
  target_url text   NOT NULL CHECK (target_url ~ '^https?://' AND length(target_url) <= 2000),
  label      text   NOT NULL DEFAULT '' CHECK (length(label) <= 200),
  created_at timestamptz NOT NULL DEFAULT now(),
  closed_at  timestamptz,
  changed    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  FOREIGN KEY (program_id, partner_id) REFERENCES enrolment
);
CREATE INDEX link_partner ON link (partner_id);
CREATE INDEX link_program ON link (program_id);
CREATE INDEX link_changed ON link (changed);

-- +goose StatementBegin
CREATE FUNCTION mark_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed := pg_current_xact_id();
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER changed BEFORE UPDATE ON merchant FOR EACH ROW EXECUTE FUNCTION mark_changed();
CREATE TRIGGER changed BEFORE UPDATE ON api_key  FOR EACH ROW EXECUTE FUNCTION mark_changed();
CREATE TRIGGER changed BEFORE UPDATE ON program  FOR EACH ROW EXECUTE FUNCTION mark_changed();
CREATE TRIGGER changed BEFORE UPDATE ON terms      FOR EACH ROW EXECUTE FUNCTION mark_changed();
CREATE TRIGGER changed BEFORE UPDATE ON terms_rate FOR EACH ROW EXECUTE FUNCTION mark_changed();
CREATE TRIGGER changed BEFORE UPDATE ON partner  FOR EACH ROW EXECUTE FUNCTION mark_changed();
CREATE TRIGGER changed BEFORE UPDATE ON link     FOR EACH ROW EXECUTE FUNCTION mark_changed();

-- +goose StatementBegin
CREATE FUNCTION bump_catalogue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  UPDATE catalogue SET version = version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON merchant   FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON api_key    FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON program    FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON terms      FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON terms_rate FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON partner    FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON link       FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();

-- People who sign in. One of partner and merchant is set, or neither for an operator.
CREATE TABLE login (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email         text NOT NULL CHECK (email = lower(email) AND email LIKE '%_@_%' AND length(email) <= 254),
  name          text NOT NULL DEFAULT '',
  password_hash text NOT NULL, -- argon2id, PHC text
  role          text NOT NULL CHECK (role IN ('partner', 'merchant', 'operator')),
  partner_id    bigint REFERENCES partner,
  merchant_id   bigint REFERENCES merchant,
  created_at    timestamptz NOT NULL DEFAULT now(),
  disabled_at   timestamptz,
  UNIQUE (email),
  CHECK ((role = 'partner') = (partner_id IS NOT NULL)),
  CHECK ((role = 'merchant') = (merchant_id IS NOT NULL))
);

CREATE TABLE session (
  token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32), -- SHA-256 of the cookie's token
  login_id   bigint NOT NULL REFERENCES login ON DELETE CASCADE,
  data       bytea  NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  seen_at    timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX session_login ON session (login_id);
CREATE INDEX session_expires ON session (expires_at);

-- A value that belongs to the installation, such as the id under which the engine numbers its ledger events.
CREATE TABLE setting (
  name  text PRIMARY KEY,
  value text NOT NULL
);
INSERT INTO setting (name, value) VALUES ('ledger_spool', gen_random_uuid()::text), ('format', '3'); -- migrations.Format

GRANT SELECT ON catalogue, merchant, api_key, program, terms, terms_rate, partner, enrolment, link, setting
  TO tributary_tracker, tributary_loader, tributary_engine, tributary_operator;
GRANT SELECT ON catalogue, merchant, program, terms, terms_rate, partner, enrolment, link, setting TO tributary_dashboard;
GRANT SELECT, INSERT, UPDATE ON api_key TO tributary_dashboard;
GRANT INSERT ON link TO tributary_dashboard;
GRANT UPDATE (label, closed_at) ON link TO tributary_dashboard;
GRANT SELECT ON login TO tributary_dashboard;
GRANT UPDATE (password_hash) ON login TO tributary_dashboard;
GRANT SELECT, INSERT, UPDATE, DELETE ON session TO tributary_dashboard;
GRANT INSERT, UPDATE ON merchant, api_key, program, terms, terms_rate, partner, enrolment, link, login TO tributary_operator;
GRANT SELECT ON login TO tributary_operator;
