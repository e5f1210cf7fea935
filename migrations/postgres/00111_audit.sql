-- The audit log: who did what, when and from where. Triggers write it in the transaction of the act, so that no page, command or
-- later path can act and forget the note. What the stages do by themselves is not in it.

-- +goose Up

CREATE TABLE audit (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at          timestamptz NOT NULL DEFAULT now(),
  login_id    bigint REFERENCES login,   -- who; null for an API key, or somebody at the console
  seat_id     bigint REFERENCES seat,
  key_id      bigint REFERENCES api_key,
  merchant_id bigint,                    -- in whose logs it stands, besides the network's
  partner_id  bigint,
  address     text NOT NULL,             -- the network of the address; empty at the console
  request     text NOT NULL,             -- as the log names it
  kind        text NOT NULL CHECK (kind <> ''), -- of what was made or changed
  id          text NOT NULL,
  made        boolean NOT NULL,          -- or else changed
  before      jsonb,                     -- what changed of it, as it was
  after       jsonb
);
CREATE INDEX audit_merchant ON audit (merchant_id, no);
CREATE INDEX audit_partner ON audit (partner_id, no);

CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
GRANT SELECT ON audit TO tributary_operator;

-- What a person's own column says: no secret and no personal data is copied, only that it was there.
CREATE FUNCTION audited(r jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT jsonb_object_agg(key, CASE WHEN key IN ('password_hash', 'hash', 'secret', 'token_hash', 'email', 'name', 'customer') THEN '"***"' ELSE value END)
  FROM jsonb_each(jsonb_strip_nulls(r)) WHERE key NOT IN ('id', 'changed', 'used_at', 'created_at', 'data', 'seen_at', 'expires_at', 'login_id', 'written', 'lane', 'key', 'content', 'no', 'at', 'author', 'ref')
$$;

-- Notes an act on a row: what it is called, and the column that names it.
-- +goose StatementBegin
CREATE FUNCTION note_act() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  named text := TG_ARGV[0];
  row jsonb := to_jsonb(NEW);
  was jsonb := CASE WHEN TG_OP = 'UPDATE' THEN audited(to_jsonb(OLD)) END;
  now_is jsonb;
  said jsonb;
  login bigint := nullif(current_setting('app.login', true), '')::bigint;
  of_seat bigint := nullif(current_setting('app.seat', true), '')::bigint;
  merchant bigint := coalesce((row ->> 'merchant_id')::bigint, app_merchant());
  partner bigint := app_partner();
BEGIN
  IF TG_TABLE_NAME = 'inbox' THEN -- what was said is its content
    named := row ->> 'kind';
    IF named <> 'dead_letter' THEN -- whose key and content may be anything
      merchant := coalesce(substring(convert_from(NEW.key, 'UTF8') FROM '^[0-9]+')::bigint, merchant);
      IF NEW.content <> '' THEN said := convert_from(NEW.content, 'UTF8')::jsonb; END IF;
    END IF;
    row := row || coalesce(said, '{}');
  END IF;
  IF TG_TABLE_NAME = 'session' THEN
    login := NEW.login_id;
    of_seat := NEW.seat_id;
  END IF;
  IF TG_TABLE_NAME IN ('seat', 'session') THEN
    SELECT t.merchant_id, t.partner_id INTO merchant, partner FROM seat t WHERE t.id = (row ->> TG_ARGV[1])::bigint;
  ELSIF TG_TABLE_NAME = 'program' OR row ? 'program_id' THEN
    SELECT p.merchant_id INTO merchant FROM program p WHERE p.id = coalesce((row ->> 'program_id')::bigint, (row ->> 'id')::bigint);
  ELSIF TG_TABLE_NAME = 'merchant' THEN
    merchant := NEW.id;
  END IF;
  IF merchant IS NULL AND partner IS NULL THEN -- what is the person's alone stands where they work
    SELECT t.merchant_id, t.partner_id INTO merchant, partner FROM seat t WHERE t.id = of_seat;
  END IF;
  now_is := audited(row);
  IF TG_OP = 'UPDATE' THEN
    SELECT jsonb_object_agg(key, value) INTO said FROM jsonb_each(now_is) WHERE was -> key IS DISTINCT FROM value;
    SELECT jsonb_object_agg(key, value) INTO was FROM jsonb_each(was) WHERE now_is -> key IS DISTINCT FROM value;
    -- A secret reads the same before and after: that it changed is all that is told.
    IF TG_TABLE_NAME = 'login' AND to_jsonb(OLD) -> 'password_hash' <> to_jsonb(NEW) -> 'password_hash' THEN
      said := coalesce(said, '{}') || '{"password_hash": "***"}';
    END IF;
    IF said IS NULL AND was IS NULL THEN RETURN NULL; END IF;
    now_is := said;
  END IF;
  INSERT INTO audit (login_id, seat_id, key_id, merchant_id, partner_id, address, request, kind, id, made, before, after)
  VALUES (login, of_seat, nullif(current_setting('app.key', true), '')::bigint, merchant, partner, coalesce(current_setting('app.address', true), ''),
    coalesce(current_setting('app.request', true), ''), named, coalesce(row ->> TG_ARGV[1], CASE WHEN named <> 'bind' THEN row ->> 'ref' END, ''), TG_OP = 'INSERT', was, now_is);
  RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION note_act() FROM PUBLIC;

-- People act as these two; the stages, the owner and what they write are not noted.
-- +goose StatementBegin
DO $$
DECLARE t text; kind text; id text; verbs text;
BEGIN
  FOR t, kind, id, verbs IN VALUES
    ('merchant',       'merchant', 'id', 'INSERT OR UPDATE'), ('program', 'program', 'id', 'INSERT OR UPDATE'), ('partner', 'partner', 'id', 'INSERT OR UPDATE'),
    ('enrolment',      'enrolment', 'partner_id', 'INSERT'), ('enrolment_fact', 'fact', 'partner_id', 'INSERT'), ('terms', 'terms', 'version', 'INSERT OR UPDATE'),
    ('link',           'link', 'id', 'INSERT OR UPDATE'), ('coupon', 'coupon', 'id', 'INSERT'), ('coupon_end', 'coupon_end', 'coupon_id', 'INSERT'),
    ('api_key',        'key', 'id', 'INSERT OR UPDATE'), ('login', 'login', 'id', 'INSERT OR UPDATE'), ('seat', 'seat', 'id', 'INSERT OR UPDATE'),
    ('session',        'session', 'seat_id', 'INSERT'), ('inbox', '', 'order', 'INSERT'), ('manual_line', 'manual_line', 'no', 'INSERT'), ('manual_verdict', 'manual_verdict', 'line', 'INSERT')
  LOOP
    EXECUTE format('CREATE TRIGGER noted AFTER %s ON %I FOR EACH ROW WHEN (session_user IN (''tributary_dashboard'', ''tributary_operator'')%s) EXECUTE FUNCTION note_act(%L, %L)',
      verbs, t, CASE t WHEN 'inbox' THEN ' AND NEW.kind <> ''manual_line''' ELSE '' END, kind, id);
  END LOOP;
END $$;
-- +goose StatementEnd

-- The log as the network, a merchant or a partner reads it. Who is of another organisation is named by that, and what they said
-- stays with them.
CREATE VIEW scoped_audit AS
  SELECT a.no, a.at, CASE WHEN o.own THEN a.address ELSE '' END AS address, a.kind, a.id, a.made,
    CASE WHEN o.own THEN coalesce(l.email, '') ELSE '' END AS email,
    coalesce(p.name, m.name, CASE WHEN t.network THEN 'Network' END, k.name, '') AS "of",
    coalesce(a.key_id, 0) AS key_id,
    CASE WHEN o.own THEN coalesce(a.before, '{}') ELSE '{}' END AS before,
    CASE WHEN o.own THEN coalesce(a.after, '{}') ELSE '{}' END AS after,
    CASE WHEN o.own THEN a.request ELSE '' END AS request
  FROM audit a LEFT JOIN login l ON l.id = a.login_id LEFT JOIN seat t ON t.id = a.seat_id
    LEFT JOIN partner p ON p.id = t.partner_id LEFT JOIN merchant m ON m.id = t.merchant_id
    LEFT JOIN api_key y ON y.id = a.key_id LEFT JOIN merchant k ON k.id = y.merchant_id
    CROSS JOIN LATERAL (SELECT (SELECT app_operator()) OR coalesce(t.merchant_id, y.merchant_id) = (SELECT app_merchant()) OR t.partner_id = (SELECT app_partner()) AS own) o
  WHERE (SELECT app_operator()) OR a.merchant_id = (SELECT app_merchant()) OR a.partner_id = (SELECT app_partner());
GRANT SELECT ON scoped_audit TO tributary_dashboard;
