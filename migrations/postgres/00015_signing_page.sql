-- +goose Up
-- Merchants issue keys that sign on their page. Whoever serves the pages may write a secret down for a key of the tenant at
-- hand, and read none.
GRANT INSERT ON signing_secret TO tributary_dashboard;
ALTER TABLE signing_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_secret FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON signing_secret TO tributary_tracker, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON signing_secret FOR INSERT TO tributary_dashboard
  WITH CHECK (EXISTS (SELECT FROM api_key k WHERE k.id = key_id AND k.signs AND k.merchant_id = (SELECT app_merchant())));
