-- What awaits a decision of a person: orders with a commission on hold, but for those that a dispute alone holds, those that were reported
-- again with other content within 90 days and not reviewed since, and those for which one side alone has asked that such a report stand. An
-- order may be several rows. Where @within is not null, so many rows of each sort are looked at.
WITH waiting (no, why, asked_by) AS (
  SELECT c.order_no, 'held', NULL
    FROM (SELECT order_no, partner_id FROM commission WHERE state = 'held' AND (@merchant::bigint = 0 OR merchant_id = @merchant) LIMIT @within::bigint) c
   WHERE (NOT EXISTS (SELECT FROM scoped_dispute d WHERE d.order_no = c.order_no)
          OR 'hold' = (SELECT v ->> 'verb'
                         FROM orders o CROSS JOIN LATERAL json_array_elements(coalesce(o.decision -> 'order' -> 'reviews', '[]')) WITH ORDINALITY e (v, n)
                        WHERE o.no = c.order_no AND v ->> 'verb' IN ('hold', 'unhold') AND v ->> 'no_effect' IS NULL
                          AND coalesce((v ->> 'partner')::bigint, 0) IN (0, c.partner_id)
                        ORDER BY n DESC LIMIT 1))
   UNION ALL
  SELECT x.order_no, CASE WHEN r.asked_by IS NULL THEN 'conflict' ELSE 'asked' END, r.asked_by
    FROM (SELECT order_no, received_at FROM order_conflict
           WHERE reason = 'other_content' AND received_at > now() - interval '90 days' AND (@merchant = 0 OR merchant_id = @merchant) LIMIT @within) x
    JOIN orders o ON o.no = x.order_no
   CROSS JOIN LATERAL (
         SELECT max(v ->> 'by') FILTER (WHERE v ->> 'no_effect' = 'needs_other_side') AS asked_by,
                max((v ->> 'at')::timestamptz) FILTER (WHERE v ->> 'no_effect' IS NULL) AS reviewed
           FROM json_array_elements(coalesce(o.decision -> 'order' -> 'reviews', '[]')) v) r
   WHERE (r.asked_by IS NOT NULL OR r.reviewed IS NULL OR r.reviewed < x.received_at))
