-- Coupons and referral codes of programs, and who owns them. Rows are only added: a coupon is what it was made as, and ends
-- by a row of its own.

-- +goose Up
CREATE TABLE coupon (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  program_id      bigint NOT NULL REFERENCES program,
  code            text   NOT NULL CHECK (code <> '' AND length(code) <= 64), -- as codes are compared: program.NormalCode
  written         text   NOT NULL CHECK (written <> '' AND length(written) <= 64), -- as its owner writes it
  kind            text   NOT NULL CHECK (kind IN ('coupon', 'code')), -- code: a referral code
  partner_id      bigint, -- whose it is; null: the merchant's own, which credits nobody
  exclusive       boolean NOT NULL,
  effective_from  timestamptz NOT NULL,
  effective_until timestamptz CHECK (effective_until > effective_from), -- not included; null: until it is ended
  author          text NOT NULL CHECK (author <> ''),
  note            text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
  created_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (id, program_id),
  CHECK (partner_id IS NOT NULL OR NOT exclusive),
  CHECK (partner_id IS NOT NULL OR kind = 'coupon'),
  FOREIGN KEY (program_id, partner_id) REFERENCES enrolment
);
CREATE INDEX coupon_code ON coupon (program_id, code, effective_from DESC);
CREATE INDEX coupon_partner ON coupon (partner_id);

-- The end of a coupon before its own, as when it has leaked.
CREATE TABLE coupon_end (
  coupon_id      bigint PRIMARY KEY,
  program_id     bigint NOT NULL,
  effective_from timestamptz NOT NULL, -- from here on it is not in force
  leaked_from    timestamptz, -- since when others than its owner's customers use it, as far as is known
  author         text NOT NULL CHECK (author <> ''),
  note           text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
  created_at     timestamptz NOT NULL DEFAULT now(),
  CHECK (leaked_from <= effective_from),
  FOREIGN KEY (coupon_id, program_id) REFERENCES coupon (id, program_id)
);

-- What decisions rest on begins a minute ahead at the least and then stays, as terms do. Exempt is what is written in the
-- transaction that makes the program, and an operator's import before its merchant's first order.
-- +goose StatementBegin
CREATE FUNCTION may_reach_back(of_program bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM program WHERE id = of_program AND created_at = now())
      OR current_user <> 'tributary_dashboard'
         AND NOT EXISTS (SELECT FROM orders o JOIN program p ON p.merchant_id = o.merchant_id WHERE p.id = of_program)
$$;

CREATE FUNCTION fact_reaches_forward() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.effective_from < now() + interval '1 minute' AND NOT may_reach_back(NEW.program_id) THEN
    RAISE EXCEPTION 'a % must take effect a minute from now or later, not at %', TG_TABLE_NAME, NEW.effective_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- The transaction that wrote it may have taken longer than that.
CREATE FUNCTION fact_comes_in_time() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.effective_from < clock_timestamp() AND NOT may_reach_back(NEW.program_id) THEN
    RAISE EXCEPTION 'a % should have taken effect at %, before it was committed', TG_TABLE_NAME, NEW.effective_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;

-- Of one code in one program there is one coupon at a time. The lock orders those who write at the same moment.
CREATE FUNCTION coupon_has_one_owner() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('coupon ' || NEW.program_id, 0));
  IF EXISTS (SELECT FROM coupon c LEFT JOIN coupon_end e ON e.coupon_id = c.id
              WHERE c.program_id = NEW.program_id AND c.code = NEW.code
                AND tstzrange(c.effective_from, least(c.effective_until, e.effective_from)) && tstzrange(NEW.effective_from, NEW.effective_until)) THEN
    RAISE EXCEPTION 'the code % of program % has another coupon at that time', NEW.code, NEW.program_id
      USING ERRCODE = 'unique_violation', CONSTRAINT = 'coupon_has_one_owner';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION coupon_ends_later() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  c coupon;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('coupon ' || NEW.program_id, 0));
  SELECT * INTO c FROM coupon WHERE id = NEW.coupon_id;
  IF NEW.effective_from < c.effective_from OR NEW.effective_from >= c.effective_until THEN
    RAISE EXCEPTION 'coupon % is in force from % to %, so it cannot end at %', c.id, c.effective_from, c.effective_until, NEW.effective_from
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER coupon_reaches_forward BEFORE INSERT ON coupon FOR EACH ROW EXECUTE FUNCTION fact_reaches_forward();
CREATE TRIGGER coupon_has_one_owner BEFORE INSERT ON coupon FOR EACH ROW EXECUTE FUNCTION coupon_has_one_owner();
CREATE CONSTRAINT TRIGGER coupon_comes_in_time AFTER INSERT ON coupon DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fact_comes_in_time();
CREATE TRIGGER coupon_stays BEFORE UPDATE OR DELETE ON coupon FOR EACH ROW EXECUTE FUNCTION what_it_is_stays();
CREATE TRIGGER coupon_end_reaches_forward BEFORE INSERT ON coupon_end FOR EACH ROW EXECUTE FUNCTION fact_reaches_forward();
CREATE TRIGGER coupon_ends_later BEFORE INSERT ON coupon_end FOR EACH ROW EXECUTE FUNCTION coupon_ends_later();
CREATE CONSTRAINT TRIGGER coupon_end_comes_in_time AFTER INSERT ON coupon_end DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fact_comes_in_time();
CREATE TRIGGER coupon_end_stays BEFORE UPDATE OR DELETE ON coupon_end FOR EACH ROW EXECUTE FUNCTION what_it_is_stays();

-- Whom they concern: a partner sees its own, a merchant those of its programs, which it adds itself.
GRANT SELECT ON coupon, coupon_end TO tributary_engine, tributary_dashboard, tributary_operator, tributary_reader;
GRANT INSERT ON coupon, coupon_end TO tributary_dashboard, tributary_operator;
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['coupon', 'coupon_end'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY river ON %I TO tributary_operator, CURRENT_USER USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY merchant ON %I FOR INSERT TO tributary_dashboard
      WITH CHECK (EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())))', t);
  END LOOP;
END $$;
-- +goose StatementEnd
CREATE POLICY tenant ON coupon FOR SELECT TO tributary_dashboard USING ((SELECT app_operator()) OR partner_id = (SELECT app_partner())
  OR EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())));
CREATE POLICY tenant ON coupon_end FOR SELECT TO tributary_dashboard USING (EXISTS (SELECT FROM coupon c WHERE c.id = coupon_id));
