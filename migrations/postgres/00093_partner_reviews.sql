-- A partner reads of reviews what its record of the order has: neither which reports people would have stand, by their hashes, nor
-- what did nothing.

-- +goose Up
CREATE OR REPLACE VIEW scoped_review AS
  SELECT i.no, o.no AS order_no, i.ref, s.said ->> 'verb' AS verb, coalesce(s.said ->> 'code', '') AS code, coalesce((s.said ->> 'partner')::bigint, 0) AS partner_id,
         (s.said ->> 'until')::timestamptz AS until, coalesce(s.said ->> 'report', '') AS report, i.side,
         CASE WHEN app_side(o.merchant_id) IS NOT NULL THEN i.author ELSE '' END AS author,
         CASE WHEN app_side(o.merchant_id) IS NOT NULL THEN i.note ELSE '' END AS note, i.at, i.due, t.at AS taken_at, coalesce(t.problem, '') AS problem
    FROM orders o
    JOIN inbox i ON i.key = order_key(o.merchant_id, o.keys, o.order_id) AND i.kind = 'review'
    LEFT JOIN inbox_taken t ON t.no = i.no
   CROSS JOIN LATERAL (SELECT convert_from(i.content, 'UTF8')::json AS said OFFSET 0) s
   WHERE app_side(o.merchant_id) IS NOT NULL
      OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = (SELECT app_partner()))
         AND coalesce(t.problem, 'withdrawn') = '' AND coalesce((s.said ->> 'partner')::bigint, 0) IN (0, (SELECT app_partner()))
         AND s.said ->> 'verb' <> 'replace'
         AND NOT EXISTS (SELECT FROM json_array_elements(o.decision -> 'order' -> 'reviews') r WHERE r ->> 'id' = i.ref AND coalesce(r ->> 'no_effect', '') <> '');
