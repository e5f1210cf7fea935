-- What was said about many orders at once is found again by its time: one statement of somebody's has one.

-- +goose Up
CREATE INDEX inbox_acted ON inbox (at) WHERE kind = 'review';

-- What was said about the orders of a merchant or, to the operator, of all, and what became of it.
CREATE VIEW review_act AS
  SELECT i.no, i.at, i.due, o.no AS order_no, o.order_id, o.merchant_id, s.said ->> 'verb' AS verb, coalesce(s.said ->> 'code', '') AS code,
         i.side, i.author, i.note, t.at AS taken_at, coalesce(t.problem, '') AS problem,
         coalesce((SELECT r ->> 'no_effect' FROM json_array_elements(o.decision -> 'order' -> 'reviews') r WHERE r ->> 'id' = i.ref), '') AS no_effect
    FROM inbox i
   CROSS JOIN LATERAL (SELECT convert_from(i.content, 'UTF8')::json AS said OFFSET 0) s
    JOIN orders o ON o.merchant_id = (s.said ->> 'merchant')::bigint AND o.order_id = s.said ->> 'order' AND o.keys = coalesce((s.said ->> 'keys')::smallint, 0)
    LEFT JOIN inbox_taken t ON t.no = i.no
   WHERE i.kind = 'review' AND app_side(o.merchant_id) IS NOT NULL;
GRANT SELECT ON review_act TO tributary_dashboard;

-- What is held, for the list of what awaits a decision.
CREATE INDEX commission_held ON commission (merchant_id, order_no) WHERE state = 'held';
