-- What currencies are worth in one another. Decisions read it as of the order's time, so what has begun stays: a rate begins a
-- minute ahead and is never changed, but for history, which may be entered before there is any order.

-- +goose Up
CREATE TABLE fx_rate (
  base           text   NOT NULL,
  quote          text   NOT NULL,
  source         text   NOT NULL CHECK (source <> '' AND length(source) <= 64), -- who published it
  day            date   NOT NULL, -- for which it was published
  num            bigint NOT NULL CHECK (num >= 0), -- one of base is num / den of quote; 0: from here on there is no rate
  den            bigint NOT NULL CHECK (den > 0),
  effective_from timestamptz NOT NULL, -- when it was published, or entered
  author         text   NOT NULL CHECK (author <> ''),
  note           text   NOT NULL DEFAULT '',
  created_at     timestamptz NOT NULL DEFAULT now(),
  written        xid8   NOT NULL DEFAULT pg_current_xact_id(), -- as `changed` of what the catalogue holds
  PRIMARY KEY (base, quote, source, day),
  CHECK (base ~ '^[A-Z]{3}$' AND quote ~ '^[A-Z]{3}$' AND base <> quote)
);
CREATE INDEX fx_rate_written ON fx_rate (written);

-- +goose StatementBegin
CREATE FUNCTION fx_rate_begins_ahead() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.effective_from < (CASE TG_WHEN WHEN 'BEFORE' THEN now() + interval '1 minute' ELSE clock_timestamp() END) AND EXISTS (SELECT FROM orders) THEN
    RAISE EXCEPTION 'a rate must begin a minute from now or later, not at %: there are orders already', NEW.effective_from
      USING ERRCODE = 'check_violation', CONSTRAINT = 'fx_rate_begins_ahead';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER begins_ahead BEFORE INSERT ON fx_rate FOR EACH ROW EXECUTE FUNCTION fx_rate_begins_ahead();
-- The transaction that wrote it may have taken longer than that. History is not looked at again.
CREATE CONSTRAINT TRIGGER begins_in_time AFTER INSERT ON fx_rate DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.effective_from >= NEW.created_at) EXECUTE FUNCTION fx_rate_begins_ahead();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_rate FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER bump AFTER INSERT ON fx_rate FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();
GRANT SELECT ON fx_rate TO tributary_engine, tributary_dashboard;
GRANT SELECT, INSERT ON fx_rate TO tributary_operator;
