-- The pages see the programs and terms of one tenant, as they do everything else of a tenant, and the operator sees how the
-- river runs.

-- +goose Up

-- The programs a partner is in, for policies that could not ask enrolment: its own policy asks program.
CREATE FUNCTION app_enrolled_in() RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
  AS $$ SELECT program_id FROM enrolment WHERE partner_id = (SELECT app_partner()) $$;

-- +goose StatementBegin
DO $$
DECLARE t text; rule text;
BEGIN
  FOR t, rule IN VALUES
    ('program',    '(SELECT app_operator()) OR merchant_id = (SELECT app_merchant()) OR id IN (SELECT app_enrolled_in())'),
    ('terms',      'EXISTS (SELECT FROM program p WHERE p.id = program_id)'),
    ('terms_rate', 'EXISTS (SELECT FROM program p WHERE p.id = program_id)')
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY river ON %I TO tributary_tracker, tributary_loader, tributary_engine, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY tenant ON %I TO tributary_dashboard USING (%s)', t, rule);
  END LOOP;
END $$;
-- +goose StatementEnd

-- How the river runs, for the operator's page: views, since a policy on these tables would cost every transaction of the
-- river. They run as their owner, so each says itself whom it shows anything. Keys and values of dead letters are left out:
-- they hold what merchants report.
CREATE VIEW health_lane AS
  SELECT consumer, topic, partition, next_offset, owner, lease_until > now() AS held, attempts, halted FROM position WHERE (SELECT app_operator());
CREATE VIEW health_owner AS
  SELECT consumer, topic, owner, seen FROM consumer_owner WHERE (SELECT app_operator());
CREATE VIEW health_letter AS
  SELECT consumer, topic, partition, "offset", error, state, at FROM dead_letter WHERE state IN ('open', 'returning') AND (SELECT app_operator());
CREATE VIEW health_batch AS
  SELECT topic, partition, first_offset, last_offset, rows, state, planned_at, done_at, problem FROM clickhouse_batch WHERE (SELECT app_operator());
CREATE VIEW health_seen AS
  SELECT consumer, topic, partition, spool, seq, gap FROM high_water WHERE (SELECT app_operator());
CREATE VIEW health_spool AS
  SELECT spool, lane, last, sent, owner, seen FROM spool_progress WHERE (SELECT app_operator());
CREATE VIEW health_sent AS
  SELECT s.lane, s.through_seq, coalesce((SELECT max(o.last_seq) FROM ledger_outbox o WHERE o.lane = s.lane AND o.first_seq > s.through_seq) - s.through_seq, 0) AS unsent
    FROM ledger_sent s WHERE (SELECT app_operator());
CREATE VIEW health_seal AS
  SELECT max(sealed_at) AS at, max(through_seq) AS through_seq FROM chain WHERE (SELECT app_operator());
GRANT SELECT ON health_lane, health_owner, health_letter, health_batch, health_seen, health_spool, health_sent, health_seal TO tributary_dashboard;
