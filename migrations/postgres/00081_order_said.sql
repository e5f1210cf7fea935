-- All that people said about orders, claims among it, in place of reviews alone.

-- +goose Up
DROP VIEW order_review;
CREATE VIEW order_said AS
  SELECT i.key, i.kind, i.ref, i.at, i.side, i.content
    FROM inbox i
   WHERE i.kind IN ('review', 'claim', 'dispute') AND EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no AND t.problem = '')
     AND NOT EXISTS (SELECT FROM claim_waiting w WHERE w.no = i.no)
     AND ((SELECT app_operator()) OR current_user IN ('tributary_reader', 'tributary_operator')
          OR (convert_from(i.content, 'UTF8')::json ->> 'merchant')::bigint = (SELECT app_merchant()));
GRANT SELECT ON order_said TO tributary_dashboard, tributary_operator, tributary_reader;
