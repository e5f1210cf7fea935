-- The terms of a program are one document, which docs/reference/terms.schema.json describes. It stays as it was agreed: the
-- triggers on terms hold it as they held its columns.

-- +goose Up
ALTER TABLE terms ADD COLUMN document jsonb;

-- A duration of whole seconds in its largest unit.
CREATE FUNCTION pg_temp.duration(seconds bigint) RETURNS text LANGUAGE sql AS $$
  SELECT (seconds / length)::text || unit FROM (VALUES (86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')) u (length, unit)
   WHERE seconds % length = 0 ORDER BY length DESC LIMIT 1 $$;

-- A document cannot name the category of goods that have none.
-- +goose StatementBegin
DO $$
BEGIN
  IF EXISTS (SELECT FROM terms_rate WHERE category = '') THEN
    RAISE EXCEPTION 'terms_rate has rows of an empty category, which no document can say';
  END IF;
END $$;
-- +goose StatementEnd

ALTER TABLE terms DISABLE TRIGGER USER;
UPDATE terms t SET document = jsonb_build_object(
  'schema', 1,
  'attribution', jsonb_build_object('touches', jsonb_build_object('click', jsonb_build_object('window', pg_temp.duration(window_seconds)))),
  'hold', pg_temp.duration(hold_seconds),
  'network_fee', network_fee_ppm,
  'rules', coalesce((
    SELECT jsonb_agg(jsonb_build_object(
             'where', jsonb_build_object('partner_kind', r.partner_kind)
                   || CASE WHEN r.category = '*' THEN '{}' ELSE jsonb_build_object('category', r.category) END,
             'pay', jsonb_build_object('percent', r.rate_ppm))
           ORDER BY r.partner_kind, r.category = '*', r.category)
      FROM terms_rate r WHERE r.program_id = t.program_id AND r.version = t.version), '[]'));
ALTER TABLE terms ENABLE TRIGGER USER;

-- What the documents say is what the rows said.
-- +goose StatementBegin
DO $$
DECLARE lost record;
BEGIN
  FOR lost IN
    WITH said AS (
      SELECT program_id, version, r #>> '{where,partner_kind}', coalesce(r #>> '{where,category}', '*'), (r #>> '{pay,percent}')::bigint
        FROM terms, jsonb_array_elements(document -> 'rules') r
    ), had AS (SELECT program_id, version, partner_kind, category, rate_ppm FROM terms_rate)
    (TABLE said EXCEPT ALL TABLE had) UNION ALL (TABLE had EXCEPT ALL TABLE said)
  LOOP
    RAISE EXCEPTION 'the document of terms differs from their rates: %', lost;
  END LOOP;
END $$;
-- +goose StatementEnd

ALTER TABLE terms ALTER COLUMN document SET NOT NULL,
  ADD CHECK ((document -> 'schema' = '1' AND jsonb_typeof(document -> 'rules') = 'array') IS TRUE),
  DROP COLUMN window_seconds, DROP COLUMN hold_seconds, DROP COLUMN network_fee_ppm;
DROP TABLE terms_rate;
COMMENT ON COLUMN terms.document IS 'what the version says, by docs/reference/terms.schema.json';

-- A merchant sets the terms of their own programs on a page; they begin ahead and stay, as the operator's do.
GRANT INSERT ON terms TO tributary_dashboard;
CREATE POLICY merchant ON terms AS RESTRICTIVE FOR INSERT TO tributary_dashboard
  WITH CHECK (EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())));
