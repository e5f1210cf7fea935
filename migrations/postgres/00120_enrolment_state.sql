-- Where a partner stands in a program is a dated fact of the kind state, as groups and own rules are. Decisions read it as of the touch,
-- and a removal for fraud as of the order. An enrolment of which no fact states anything is approved at all times.

-- +goose Up
ALTER TABLE enrolment ADD COLUMN state text NOT NULL DEFAULT 'approved', -- as it was stated last, and from when on: null for always
                      ADD COLUMN state_from timestamptz,
                      ADD CONSTRAINT enrolment_state CHECK (state IN ('invited', 'applied', 'approved', 'declined', 'paused', 'left', 'removed:breach', 'removed:fraud'));

ALTER TABLE enrolment_fact DROP CONSTRAINT enrolment_fact_check,
  ADD CONSTRAINT enrolment_fact_check CHECK (CASE kind
    WHEN 'group'     THEN value <> '' AND length(value) <= 128
    WHEN 'property'  THEN value <> '' AND length(value) <= 128
    WHEN 'recruiter' THEN (value = '') = ends AND value ~ '^([1-9][0-9]{0,17})?$' AND value <> partner_id::text
    WHEN 'own'       THEN (value = '') = ends AND length(value) <= 65536
    WHEN 'accept'    THEN NOT ends AND value ~ '^[1-9][0-9]{0,8}$'
    -- Click ids tell times in whole milliseconds.
    WHEN 'state'     THEN NOT ends AND effective_from = date_trunc('milliseconds', effective_from)
                      AND value IN ('invited', 'applied', 'approved', 'declined', 'paused', 'left', 'removed:breach', 'removed:fraud')
    ELSE false END);

-- Who may take a step from one state to another, null for nobody: the whole state machine. The operator may take any of them.
CREATE FUNCTION enrolment_step(before text, after text) RETURNS text LANGUAGE sql IMMUTABLE
  RETURN (SELECT actor FROM (VALUES
    ('',         'invited',        'merchant'),
    ('',         'applied',        'partner'),
    ('invited',  'approved',       'partner'),
    ('applied',  'approved',       'merchant'),
    ('applied',  'declined',       'merchant'),
    ('declined', 'applied',        'partner'),
    ('approved', 'paused',         'merchant'),
    ('paused',   'approved',       'merchant'),
    ('approved', 'left',           'partner'),
    ('paused',   'left',           'partner'),
    ('left',     'applied',        'partner'),
    ('approved', 'removed:breach', 'merchant'),
    ('approved', 'removed:fraud',  'merchant'),
    ('paused',   'removed:breach', 'merchant'),
    ('paused',   'removed:fraud',  'merchant'),
    ('left',     'removed:fraud',  'merchant'),
    ('applied',  'removed:fraud',  'merchant'),
    ('declined', 'removed:fraud',  'merchant')) step (b, a, actor)
   WHERE b = before AND a = after);

-- Whether a fact is the first of an enrolment that this transaction makes. Such a one may begin now.
CREATE FUNCTION opens_enrolment(program bigint, partner bigint, kind text, value text, begins timestamptz) RETURNS boolean LANGUAGE sql STABLE
  RETURN kind = 'state' AND value IN ('invited', 'applied') AND begins >= date_trunc('milliseconds', now())
     AND EXISTS (SELECT FROM enrolment e WHERE e.program_id = program AND e.partner_id = partner AND e.created_at = now());

-- +goose StatementBegin
-- The state before a step is the one that was stated last among those that have begun by then: what is stated takes the place of what
-- had been planned for later. So facts of one enrolment are numbered one at a time.
CREATE FUNCTION take_enrolment_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  before text;
  since timestamptz;
  actor text;
  last text;
BEGIN
  PERFORM FROM enrolment e WHERE e.program_id = NEW.program_id AND e.partner_id = NEW.partner_id FOR UPDATE;
  NEW.no := nextval(pg_get_serial_sequence('enrolment_fact', 'no'));
  SELECT f.value, f.effective_from INTO before, since FROM enrolment_fact f
   WHERE f.program_id = NEW.program_id AND f.partner_id = NEW.partner_id AND f.kind = 'state' AND f.effective_from < NEW.effective_from
   ORDER BY f.no DESC LIMIT 1;
  IF before IS NULL THEN
    before := CASE WHEN opens_enrolment(NEW.program_id, NEW.partner_id, NEW.kind, NEW.value, NEW.effective_from) THEN '' ELSE 'approved' END;
  END IF;
  actor := enrolment_step(before, NEW.value);
  IF app_partner() IS NOT NULL THEN
    -- A partner's step does not take the place of a removal or of the same step, and there are few of them in a day.
    SELECT f.value INTO last FROM enrolment_fact f
     WHERE f.program_id = NEW.program_id AND f.partner_id = NEW.partner_id AND f.kind = 'state' ORDER BY f.no DESC LIMIT 1;
    IF last LIKE 'removed:%' OR last = NEW.value OR (
         SELECT count(*) FROM enrolment_fact f WHERE f.program_id = NEW.program_id AND f.partner_id = NEW.partner_id AND f.kind = 'state'
            AND f.created_at > now() - interval '1 day') >= 20 THEN
      actor := NULL;
    END IF;
  END IF;
  IF actor IS NULL OR before = 'declined' AND NEW.effective_from < since + interval '30 days'
     OR app_partner() IS NOT NULL AND actor <> 'partner' OR app_merchant() IS NOT NULL AND actor <> 'merchant' THEN
    RAISE EXCEPTION 'a partner who is % cannot be %', before, NEW.value USING ERRCODE = 'check_violation', CONSTRAINT = 'enrolment_step';
  END IF;
  UPDATE enrolment e SET state = NEW.value, state_from = NEW.effective_from WHERE e.program_id = NEW.program_id AND e.partner_id = NEW.partner_id;
  RETURN NEW;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION take_enrolment_step() FROM PUBLIC;

DROP TRIGGER begins_ahead ON enrolment_fact;
DROP TRIGGER begins_in_time ON enrolment_fact;
CREATE TRIGGER begins_ahead BEFORE INSERT ON enrolment_fact FOR EACH ROW
  WHEN (NOT opens_enrolment(NEW.program_id, NEW.partner_id, NEW.kind, NEW.value, NEW.effective_from)) EXECUTE FUNCTION begins_ahead();
CREATE CONSTRAINT TRIGGER begins_in_time AFTER INSERT ON enrolment_fact DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NOT opens_enrolment(NEW.program_id, NEW.partner_id, NEW.kind, NEW.value, NEW.effective_from)) EXECUTE FUNCTION begins_in_time();
CREATE TRIGGER take_step BEFORE INSERT ON enrolment_fact FOR EACH ROW WHEN (NEW.kind = 'state') EXECUTE FUNCTION take_enrolment_step();

-- A partner accepts terms; either side states where the partner stands, as far as the step is theirs; everything else is the merchant's
-- to say.
DROP POLICY author ON enrolment_fact;
CREATE POLICY author ON enrolment_fact AS RESTRICTIVE FOR INSERT TO tributary_dashboard
  WITH CHECK (CASE kind WHEN 'accept' THEN partner_id = (SELECT app_partner())
    ELSE kind = 'state' AND partner_id = (SELECT app_partner())
      OR EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())) END);

-- A tracker marks the clicks on links of those who are not in the program.
GRANT SELECT ON enrolment_fact TO tributary_tracker;
CREATE POLICY tracker ON enrolment_fact FOR SELECT TO tributary_tracker USING (kind = 'state');
