-- Rows without the order they belong to, and commissions that name another merchant or lane than their order.
SELECT 'order_event', format('(%s, %s, %L)', e.order_no, e.kind, e.ref), '', 'an order', 'none'
  FROM order_event e WHERE NOT EXISTS (SELECT FROM orders o WHERE o.no = e.order_no)
UNION ALL
SELECT 'posting', format('(%s, %s, %s, %s)', p.source, p.source_no, p.version, p.n), '', 'an order', 'none'
  FROM posting p WHERE p.source = 1 AND NOT EXISTS (SELECT FROM orders o WHERE o.no = p.source_no)
UNION ALL
SELECT 'commission', format('(%s, %s, %s, %s)', c.order_no, c.partner_id, c.role, c.unit), 'merchant_id, lane',
       coalesce(o.merchant_id || ', ' || o.lane, 'an order'), c.merchant_id || ', ' || c.lane
  FROM commission c LEFT JOIN orders o ON o.no = c.order_no
 WHERE (o.merchant_id, o.lane) IS DISTINCT FROM (c.merchant_id, c.lane)
