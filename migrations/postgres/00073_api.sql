-- Keys that keep a merchant's coupons, and whose a key is that comes with a request to the API of the dashboard.

-- +goose Up
ALTER TABLE api_key DROP CONSTRAINT api_key_scopes_check,
  ADD CONSTRAINT api_key_scopes_check CHECK (cardinality(scopes) > 0 AND scopes <@ '{orders,refunds,coupons}');

GRANT SELECT (id, hash, merchant_id, label, scopes, signs, revoked_at) ON api_key TO tributary_signin;
GRANT SELECT, INSERT, UPDATE ON key_use TO tributary_signin;
CREATE POLICY signin ON api_key FOR SELECT TO tributary_signin USING (true);
CREATE POLICY signin ON key_use TO tributary_signin USING (true) WITH CHECK (true);

-- The live key of a hash, which is used from now on, as far as is told apart by the minute. A key that signs has a secret of its
-- own, and is never sent.
CREATE FUNCTION api_key_find(sum bytea) RETURNS TABLE (id bigint, merchant bigint, label text, scopes text[])
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH found AS (
    SELECT k.id, k.merchant_id, k.label, k.scopes FROM api_key k WHERE k.hash = sum AND NOT k.signs AND k.revoked_at IS NULL
  ), used AS (
    INSERT INTO key_use (key_id, used_at) SELECT f.id, now() FROM found f
    ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at WHERE key_use.used_at < excluded.used_at - interval '1 minute'
  )
  SELECT f.id, f.merchant_id, f.label, f.scopes FROM found f
$$;

-- +goose StatementBegin
DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT tributary_signin TO %I', current_user);
  END IF;
  GRANT CREATE ON SCHEMA public TO tributary_signin; -- a function's new owner needs it
  REVOKE ALL ON FUNCTION api_key_find(bytea) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION api_key_find(bytea) TO tributary_dashboard;
  ALTER FUNCTION api_key_find(bytea) OWNER TO tributary_signin;
  REVOKE CREATE ON SCHEMA public FROM tributary_signin;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('REVOKE tributary_signin FROM %I', current_user);
  END IF;
END $$;
-- +goose StatementEnd
