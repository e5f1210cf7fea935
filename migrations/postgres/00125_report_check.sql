-- Each night, and after a restore, what reports count is compared with the books. An engine seals what the books come to, with the
-- sequence of each lane's ledger events up to which that is; a loader compares once ClickHouse has these.

-- +goose Up
CREATE TABLE report_check (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occasion    text NOT NULL CHECK (occasion <> ''), -- the day, as 2026-11-28, or the restore
  merchant_id bigint NOT NULL REFERENCES merchant,
  sealed_at   timestamptz NOT NULL DEFAULT now(),
  through     bigint[] NOT NULL, -- by lane, from 0
  books       jsonb,             -- until it is compared: by program, partner, role, unit and currency
  checked_at  timestamptz,
  rows        integer NOT NULL DEFAULT 0, -- sums that were compared
  different   integer NOT NULL DEFAULT 0, -- those that differ
  differences jsonb NOT NULL DEFAULT '[]', -- the first of them
  UNIQUE (merchant_id, occasion),
  CHECK ((books IS NULL) = (checked_at IS NOT NULL))
);
CREATE INDEX report_check_open ON report_check (no) WHERE checked_at IS NULL;

ALTER TABLE report_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE report_check FORCE ROW LEVEL SECURITY;
CREATE POLICY stages ON report_check TO tributary_engine, tributary_loader, tributary_operator, tributary_reader, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON report_check FOR SELECT TO tributary_dashboard USING ((SELECT app_operator()) OR merchant_id = (SELECT app_merchant()));

GRANT SELECT, INSERT ON report_check TO tributary_engine, tributary_operator;
GRANT SELECT, UPDATE (books, checked_at, rows, different, differences) ON report_check TO tributary_loader, tributary_operator;
GRANT SELECT ON report_check TO tributary_dashboard, tributary_reader;
