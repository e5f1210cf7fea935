-- What stands of the orders numbered $1.
SELECT o.no, o.version, o.merchant_id, o.order_id, o.decision
  FROM unnest($1::bigint[]) k (no) JOIN orders o ON o.no = k.no
