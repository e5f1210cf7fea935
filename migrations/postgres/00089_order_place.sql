-- Where an order stands in its periods is said of what is settled. This tells what is still to be counted: for each period, of which
-- days of sales orders have changed something since.

-- +goose Up
CREATE VIEW period_waiting AS
  SELECT d.lane, d.program_id, d.partner_id, d.role, d.rule, d.span, d.unit, d.day
    FROM period_delta d
   WHERE (SELECT app_operator()) OR d.merchant_id = (SELECT app_merchant()) OR d.partner_id = (SELECT app_partner());
GRANT SELECT ON period_waiting TO tributary_dashboard;
