-- What stands of the orders numbered $1.
SELECT o.no, o.version, o.merchant_id, o.keys, o.order_id, o.decision, o.released_until
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT no, version, merchant_id, keys, order_id, decision, released_until FROM orders WHERE no = k.no OFFSET 0) o
