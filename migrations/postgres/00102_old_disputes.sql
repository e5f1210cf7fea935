-- Disputes that have been open for long, for the operator's page and the alert: a bank decides within some weeks, so that one of four
-- months was rather forgotten, and a partner's commission is held by it.

-- +goose Up
CREATE VIEW old_dispute AS
  SELECT d.no, d.order_no, d.merchant_id, d.ref, i.at FROM dispute d JOIN inbox i ON i.no = d.no
   WHERE i.at < now() - interval '120 days'
     AND NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = d.no AND t.problem <> '')
     AND NOT EXISTS (SELECT FROM dispute_outcome x LEFT JOIN inbox_taken t ON t.no = x.no WHERE x.dispute = d.no AND coalesce(t.problem, '') = '');
GRANT SELECT ON old_dispute TO tributary_engine, tributary_operator, tributary_reader;

CREATE VIEW health_dispute AS
  SELECT d.no, m.name AS merchant, o.order_id, d.ref, d.at FROM old_dispute d JOIN orders o ON o.no = d.order_no JOIN merchant m ON m.id = d.merchant_id
   WHERE (SELECT app_operator());
GRANT SELECT ON health_dispute TO tributary_dashboard;
