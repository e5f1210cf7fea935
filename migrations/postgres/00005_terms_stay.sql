-- What a decision rests on stays as it was: an order is decided again when a refund of it arrives, and verify decides
-- every order again, so neither may find other terms than the first decision did.

-- +goose Up

-- Terms begin a minute ahead at the least, so that no order is decided without them while they are being written or by a
-- machine whose clock is a little behind. A program's first terms may lie in the past, as before.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION terms_reach_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.effective_from < now() + interval '1 minute' AND NOT EXISTS (SELECT FROM program WHERE id = NEW.program_id AND created_at = now()) THEN
    RAISE EXCEPTION 'terms of program % must take effect a minute from now or later, not at %', NEW.program_id, NEW.effective_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- The transaction that wrote them may have taken longer than that.
CREATE FUNCTION terms_come_in_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.effective_from < clock_timestamp() AND NOT EXISTS (SELECT FROM program WHERE id = NEW.program_id AND created_at = now()) THEN
    RAISE EXCEPTION 'terms of program % should have taken effect at %, before they were committed', NEW.program_id, NEW.effective_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;

-- Terms that are in force, and their rates, do not change. Before that they may be corrected.
CREATE FUNCTION terms_in_force_stay() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changing record := CASE WHEN TG_OP = 'INSERT' THEN NEW ELSE OLD END;
BEGIN
  IF EXISTS (SELECT FROM terms t JOIN program p ON p.id = t.program_id
              WHERE t.program_id = changing.program_id AND t.version = changing.version AND p.created_at <> now()
                AND t.effective_from < greatest(now() + interval '1 minute', clock_timestamp())) THEN
    RAISE EXCEPTION 'version % of the terms of program % is in force: add further terms', changing.version, changing.program_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION what_it_is_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a % stays what it was made as: make another', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER terms_come_in_time AFTER INSERT OR UPDATE ON terms DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION terms_come_in_time();
CREATE TRIGGER terms_in_force_stay BEFORE UPDATE OR DELETE ON terms FOR EACH ROW EXECUTE FUNCTION terms_in_force_stay();
CREATE TRIGGER terms_in_force_stay BEFORE INSERT OR UPDATE OR DELETE ON terms_rate FOR EACH ROW EXECUTE FUNCTION terms_in_force_stay();
CREATE TRIGGER terms_reach_forward_still BEFORE UPDATE ON terms FOR EACH ROW EXECUTE FUNCTION terms_reach_forward();
CREATE TRIGGER kind_stays BEFORE UPDATE ON partner FOR EACH ROW WHEN (NEW.kind IS DISTINCT FROM OLD.kind) EXECUTE FUNCTION what_it_is_stays();
CREATE TRIGGER owner_stays BEFORE UPDATE ON program FOR EACH ROW WHEN (NEW.merchant_id IS DISTINCT FROM OLD.merchant_id) EXECUTE FUNCTION what_it_is_stays();
CREATE TRIGGER owner_stays BEFORE UPDATE ON link FOR EACH ROW
  WHEN ((NEW.program_id, NEW.partner_id) IS DISTINCT FROM (OLD.program_id, OLD.partner_id)) EXECUTE FUNCTION what_it_is_stays();
