-- A list of periods is read in its own order, as far as a page goes. And nobody reads rules on periods through the dashboard's role:
-- the record of a period says what its rules are.

-- +goose Up
DROP INDEX period_partner, period_merchant;
CREATE INDEX period_partner ON period (partner_id, last_day DESC, no DESC);
CREATE INDEX period_merchant ON period (merchant_id, last_day DESC, no DESC);

REVOKE SELECT ON period_rule FROM tributary_dashboard;
