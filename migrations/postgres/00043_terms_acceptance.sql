-- Terms that partners must accept bind each of them from then on; until then the version before goes on.

-- +goose Up
ALTER TABLE terms
  ADD COLUMN notice_days int NOT NULL DEFAULT 0 CHECK (notice_days BETWEEN 0 AND 366),
  ADD COLUMN needs_acceptance boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN terms.notice_days IS 'for so many days before they begin they are known, and after that partners who have not accepted them earn by those before';

-- +goose StatementBegin
CREATE FUNCTION terms_give_notice() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.effective_from < NEW.created_at + NEW.notice_days * interval '24 hours'
     AND NOT EXISTS (SELECT FROM program WHERE id = NEW.program_id AND created_at = now()) THEN
    RAISE EXCEPTION 'terms of program % give % days of notice, and begin at %', NEW.program_id, NEW.notice_days, NEW.effective_from USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER terms_give_notice BEFORE INSERT OR UPDATE ON terms FOR EACH ROW WHEN (NEW.notice_days > 0) EXECUTE FUNCTION terms_give_notice();
