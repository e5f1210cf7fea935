-- What people decided about orders, for whoever decides stored orders again without an engine: those of the merchant in whose
-- scope a page is, and all for an operator and for the log-ins that see everything.

-- +goose Up
CREATE VIEW order_review AS
  SELECT i.key, i.ref, i.at, i.side, i.content
    FROM inbox i
   WHERE i.kind = 'review' AND EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no AND t.problem = '')
     AND ((SELECT app_operator()) OR current_user IN ('tributary_reader', 'tributary_operator')
          OR (convert_from(i.content, 'UTF8')::json ->> 'merchant')::bigint = (SELECT app_merchant()));
GRANT SELECT ON order_review TO tributary_dashboard, tributary_operator, tributary_reader;
