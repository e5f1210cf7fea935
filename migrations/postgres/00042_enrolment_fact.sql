-- What is known of a partner in a program: groups, properties, who recruited them, what was agreed with them alone, which terms
-- they accepted. Decisions read it as of the order's time, so what has begun stays: a fact begins a minute ahead, and another
-- one ends it.

-- +goose Up
CREATE TABLE enrolment_fact (
  no             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  program_id     bigint NOT NULL,
  partner_id     bigint NOT NULL,
  kind           text   NOT NULL,
  value          text   NOT NULL, -- the group, the property, the recruiter's number, the JSON of own rules, the version accepted
  ends           boolean NOT NULL DEFAULT false, -- the group or property is left; there is no recruiter, or nothing of their own
  effective_from timestamptz NOT NULL,
  author         text   NOT NULL CHECK (author <> '' AND length(author) <= 254),
  note           text   NOT NULL DEFAULT '' CHECK (length(note) <= 1000),
  created_at     timestamptz NOT NULL DEFAULT now(),
  written        xid8   NOT NULL DEFAULT pg_current_xact_id(), -- as `changed` of what the catalogue holds
  FOREIGN KEY (program_id, partner_id) REFERENCES enrolment,
  CHECK (CASE kind
    WHEN 'group'     THEN value <> '' AND length(value) <= 128
    WHEN 'property'  THEN value <> '' AND length(value) <= 128
    WHEN 'recruiter' THEN (value = '') = ends AND value ~ '^([1-9][0-9]{0,17})?$' AND value <> partner_id::text
    WHEN 'own'       THEN (value = '') = ends AND length(value) <= 65536
    WHEN 'accept'    THEN NOT ends AND value ~ '^[1-9][0-9]{0,8}$'
    ELSE false END)
);
-- Of two facts of one moment neither comes first.
CREATE UNIQUE INDEX enrolment_fact_moment ON enrolment_fact
  (program_id, partner_id, kind, effective_from, (CASE WHEN kind IN ('recruiter', 'own') THEN '' ELSE value END));
CREATE INDEX enrolment_fact_written ON enrolment_fact (written);

-- What may begin in the past: what is written in the transaction that makes the program, and what an operator imports before
-- the merchant's first order.
-- +goose StatementBegin
CREATE FUNCTION may_begin_in_the_past(bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM program WHERE id = $1 AND created_at = now())
      OR current_user = 'tributary_operator' AND NOT EXISTS (SELECT FROM orders o JOIN program p ON p.merchant_id = o.merchant_id WHERE p.id = $1)
$$;

-- begins_ahead is the rule for whatever decisions read as of a time: rows of a table with program_id and effective_from.
CREATE FUNCTION begins_ahead() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.effective_from < now() + interval '1 minute' AND NOT may_begin_in_the_past(NEW.program_id) THEN
    RAISE EXCEPTION '% must begin a minute from now or later, not at %', TG_TABLE_NAME, NEW.effective_from
      USING ERRCODE = 'check_violation', CONSTRAINT = 'begins_ahead';
  END IF;
  RETURN NEW;
END $$;

-- The transaction that wrote it may have taken longer than that.
CREATE FUNCTION begins_in_time() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.effective_from < clock_timestamp() AND NOT may_begin_in_the_past(NEW.program_id) THEN
    RAISE EXCEPTION '% should have begun at %, before it was committed', TG_TABLE_NAME, NEW.effective_from
      USING ERRCODE = 'check_violation', CONSTRAINT = 'begins_ahead';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER begins_ahead BEFORE INSERT ON enrolment_fact FOR EACH ROW EXECUTE FUNCTION begins_ahead();
CREATE CONSTRAINT TRIGGER begins_in_time AFTER INSERT ON enrolment_fact DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION begins_in_time();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON enrolment_fact FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER bump AFTER INSERT ON enrolment_fact FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();

ALTER TABLE enrolment_fact ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrolment_fact FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON enrolment_fact TO tributary_engine, tributary_operator, tributary_reader, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON enrolment_fact TO tributary_dashboard USING ((SELECT app_operator()) OR partner_id = (SELECT app_partner())
  OR EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())));
-- A partner accepts terms; everything else is the merchant's to say.
CREATE POLICY author ON enrolment_fact AS RESTRICTIVE FOR INSERT TO tributary_dashboard
  WITH CHECK (CASE kind WHEN 'accept' THEN partner_id = (SELECT app_partner())
    ELSE EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())) END);

GRANT SELECT, INSERT ON enrolment_fact TO tributary_operator, tributary_dashboard;
GRANT SELECT ON enrolment_fact TO tributary_engine, tributary_reader;
