-- Terms that are more than plain stand under rules number 3 from now on, also where they are a merchant's: docs/reference/terms.md.

-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION terms_keep_fee_and_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  before terms;
BEGIN
  -- Those in force then; ahead of the first terms, the first ones.
  SELECT * INTO before FROM terms WHERE program_id = NEW.program_id
   ORDER BY effective_from > NEW.effective_from, CASE WHEN effective_from <= NEW.effective_from THEN effective_from END DESC, effective_from
   LIMIT 1;
  IF (NEW.document -> 'network_fee') IS DISTINCT FROM (before.document -> 'network_fee')
     OR NEW.rules IS DISTINCT FROM before.rules AND NOT (NEW.rules IN (2, 3) AND NEW.rules > before.rules) THEN
    RAISE EXCEPTION 'terms of program % must keep the network fee (%) and the rules (%) of the terms before them, not % and %', NEW.program_id,
      before.document -> 'network_fee', before.rules, NEW.document -> 'network_fee', NEW.rules USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
