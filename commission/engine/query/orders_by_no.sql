-- What stands of the orders numbered $1.
SELECT o.no, o.version, o.merchant_id, o.order_id, o.decision
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT no, version, merchant_id, order_id, decision FROM orders WHERE no = k.no OFFSET 0) o
