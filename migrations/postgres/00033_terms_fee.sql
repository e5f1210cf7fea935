-- A merchant sets what their program pays. What the network takes, and by which rules orders are decided, stays the operator's.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION terms_keep_fee_and_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  before terms;
BEGIN
  -- Those in force then; ahead of the first terms, the first ones.
  SELECT * INTO before FROM terms WHERE program_id = NEW.program_id
   ORDER BY effective_from > NEW.effective_from, CASE WHEN effective_from <= NEW.effective_from THEN effective_from END DESC, effective_from
   LIMIT 1;
  IF (NEW.document -> 'network_fee', NEW.rules) IS DISTINCT FROM (before.document -> 'network_fee', before.rules) THEN
    RAISE EXCEPTION 'terms of program % must keep the network fee (%) and the rules (%) of the terms before them, not % and %', NEW.program_id,
      before.document -> 'network_fee', before.rules, NEW.document -> 'network_fee', NEW.rules USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER terms_keep_fee_and_rules BEFORE INSERT ON terms FOR EACH ROW
  WHEN (current_user = 'tributary_dashboard') EXECUTE FUNCTION terms_keep_fee_and_rules();
