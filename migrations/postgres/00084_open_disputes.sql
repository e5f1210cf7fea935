-- Disputes of which nobody has said how they ended, for the counter that a merchant sees on every page, and for the list of what awaits
-- a decision.

-- +goose Up
CREATE VIEW open_dispute AS
  SELECT d.no, d.merchant_id, d.order_no FROM dispute d
   WHERE app_side(d.merchant_id) IS NOT NULL
     AND NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = d.no AND t.problem <> '')
     AND NOT EXISTS (SELECT FROM dispute_outcome x LEFT JOIN inbox_taken t ON t.no = x.no WHERE x.dispute = d.no AND coalesce(t.problem, '') = '');
GRANT SELECT ON open_dispute TO tributary_dashboard;
