-- What a key may report, and when it last did.

-- +goose Up
ALTER TABLE api_key ADD COLUMN scopes text[] NOT NULL DEFAULT '{orders,refunds}'
  CHECK (cardinality(scopes) > 0 AND scopes <@ '{orders,refunds}');

-- Apart from the key, since each change of a key is told to every process.
CREATE TABLE key_use (
  key_id  bigint PRIMARY KEY REFERENCES api_key,
  used_at timestamptz NOT NULL -- to the minute or so
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON key_use TO tributary_tracker;
GRANT SELECT ON key_use TO tributary_dashboard, tributary_operator;
ALTER TABLE key_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_use FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON key_use TO tributary_tracker, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON key_use FOR SELECT TO tributary_dashboard
  USING (EXISTS (SELECT FROM api_key k WHERE k.id = key_id AND k.merchant_id = (SELECT app_merchant())));
