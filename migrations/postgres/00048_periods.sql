-- Periods: what a partner's orders of a period come to together, and what the terms pay or take back for that. An order's
-- transaction writes what it changes about the sums; whoever holds the lane of (program, partner) adds that up and posts what
-- follows, with source 2.

-- +goose Up

-- A rule on periods as a version of the terms has it. It stays as it is: sums name it.
CREATE TABLE period_rule (
  id   bigint PRIMARY KEY,  -- the first 64 bits of the SHA-256 of what it says
  says json   NOT NULL
);

CREATE SEQUENCE period_no;

-- A period of one rule, for one payee, and what it comes to. The cells say why, and so does the record.
CREATE TABLE period (
  no             bigint   PRIMARY KEY,
  merchant_id    bigint   NOT NULL,
  program_id     bigint   NOT NULL,
  partner_id     bigint   NOT NULL CHECK (partner_id > 0),
  role           text     NOT NULL CHECK (role IN ('partner', 'recruiter', 'recruiter2')),
  rule           text     NOT NULL, -- as the terms name it, from version to version
  span           text     NOT NULL, -- 2026-09-07, 2026-W37, 2026-09, 2026-Q3, 2026 or ever
  unit           text     NOT NULL,
  lane           smallint NOT NULL,
  version        int      NOT NULL CHECK (version > 0), -- how often it was settled
  ranked         boolean  NOT NULL, -- sums do not say what it comes to: its orders are read
  first_day      date     NOT NULL, -- of the sales that count
  last_day       date     NOT NULL,
  net            bigint   NOT NULL, -- what the payee has of it, below zero for a cap
  fee            bigint   NOT NULL,
  pending        bigint   NOT NULL,
  payable        bigint   NOT NULL,
  fee_pending    bigint   NOT NULL,
  fee_earned     bigint   NOT NULL,
  released_until timestamptz, -- up to when holds have ended; no clock takes it back
  release_at     timestamptz, -- when the next one ends
  record         json     NOT NULL,
  UNIQUE (program_id, partner_id, role, rule, span, unit),
  CHECK (pending + payable = net AND fee_pending + fee_earned = fee)
) WITH (fillfactor = 70);
CREATE INDEX period_due ON period (lane, release_at) WHERE release_at IS NOT NULL;
CREATE INDEX period_partner ON period (partner_id, last_day DESC);
CREATE INDEX period_merchant ON period (merchant_id, last_day DESC);

-- The sums of a period: of the sales of a day that count by one rule and are held equally long, as of an effective day.
CREATE TABLE period_cell (
  period     bigint  NOT NULL REFERENCES period,
  day        date    NOT NULL,
  says       bigint  NOT NULL, -- period_rule.id
  hold_s     bigint  NOT NULL,
  effective  date    NOT NULL,
  count      numeric NOT NULL,
  revenue    numeric NOT NULL,
  commission numeric NOT NULL,
  PRIMARY KEY (period, day, says, hold_s, effective)
) WITH (fillfactor = 70);

-- What orders have changed about sums and nobody has added up yet.
CREATE TABLE period_delta (
  no          bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane        smallint NOT NULL, -- of (program, partner)
  ranked      boolean  NOT NULL,
  merchant_id bigint   NOT NULL,
  program_id  bigint   NOT NULL,
  partner_id  bigint   NOT NULL,
  role        text     NOT NULL,
  rule        text     NOT NULL,
  span        text     NOT NULL,
  unit        text     NOT NULL,
  day         date     NOT NULL,
  says        bigint   NOT NULL, -- period_rule.id
  hold_s      bigint   NOT NULL,
  effective   date     NOT NULL,
  count       bigint   NOT NULL,
  revenue     bigint   NOT NULL,
  commission  bigint   NOT NULL
);
CREATE INDEX period_delta_lane ON period_delta (lane, ranked, no);

CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_rule FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

GRANT SELECT, INSERT ON period_rule TO tributary_engine;
GRANT SELECT, INSERT, UPDATE ON period, period_cell TO tributary_engine;
GRANT SELECT, INSERT, DELETE ON period_delta TO tributary_engine;
GRANT USAGE ON SEQUENCE period_no TO tributary_engine;
GRANT SELECT ON period_rule, period, period_cell, period_delta TO tributary_operator, tributary_reader;
GRANT SELECT ON period_rule, period TO tributary_dashboard;

ALTER TABLE period ENABLE ROW LEVEL SECURITY;
ALTER TABLE period FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON period TO tributary_engine, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON period TO tributary_dashboard
  USING ((SELECT app_operator()) OR merchant_id = (SELECT app_merchant()) OR partner_id = (SELECT app_partner()));
