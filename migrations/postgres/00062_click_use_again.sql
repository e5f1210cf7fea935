-- What deciding orders again reads of click ids, for whom it concerns: their merchant, and the operator.

-- +goose Up
CREATE VIEW order_use AS
  SELECT order_no, use FROM click_use u
   WHERE (SELECT app_operator()) OR current_user IN ('tributary_reader', 'tributary_operator') OR u.merchant_id = (SELECT app_merchant());
GRANT SELECT ON order_use TO tributary_dashboard, tributary_operator, tributary_reader;
