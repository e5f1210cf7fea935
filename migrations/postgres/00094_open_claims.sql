-- Claims that nobody has answered, for the counter that a merchant sees on every page.

-- +goose Up
CREATE VIEW open_claim AS
  SELECT c.no, c.merchant_id FROM claim c
   WHERE app_side(c.merchant_id) IS NOT NULL
     AND NOT EXISTS (SELECT FROM claim_outcome x LEFT JOIN inbox_taken t ON t.no = x.no WHERE x.claim = c.no AND coalesce(t.problem, '') = '');
GRANT SELECT ON open_claim TO tributary_dashboard;
