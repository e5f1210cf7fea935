-- What is unsent is looked up lane by lane. As a join, once there are statistics, the planner reads the outbox of two days
-- from end to end for it.

-- +goose Up
CREATE OR REPLACE VIEW ledger_unsent WITH (security_invoker = true) AS
SELECT l.lane, o.first_seq, o.last_seq, o.at
  FROM (SELECT DISTINCT p.partition AS lane, coalesce(s.through_seq, 0) AS through_seq
          FROM position p LEFT JOIN ledger_sent s ON s.lane = p.partition WHERE p.consumer = 'engine' AND p.topic = 'orders') l
 CROSS JOIN LATERAL (SELECT first_seq, last_seq, at FROM ledger_outbox WHERE lane = l.lane AND first_seq > l.through_seq
                      ORDER BY first_seq OFFSET 0) o;
