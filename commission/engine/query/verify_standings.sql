-- What the commissions add up to for each merchant, partner and currency; the fees on them are pending as long as the
-- commission itself is, or would be if anything were left of it. Orders on which nobody earns stand under partner 0.
SELECT c.merchant_id, c.partner_id, c.currency,
       count(*) FILTER (WHERE o.outcome = 'credited'), sum(c.revenue)::bigint, sum(c.refunded)::bigint, sum(c.gross)::bigint,
       sum(c.net)::bigint, sum(c.fee)::bigint, sum(c.pending)::bigint, sum(c.payable)::bigint,
       sum(CASE WHEN c.payable = 0 THEN c.fee ELSE 0 END)::bigint, sum(CASE WHEN c.payable <> 0 THEN c.fee ELSE 0 END)::bigint
  FROM commission c JOIN orders o ON o.no = c.order_no
 GROUP BY c.merchant_id, c.partner_id, c.currency
UNION ALL
SELECT merchant_id, 0, currency, count(*), sum(amount)::bigint, sum(refunded)::bigint, 0, 0, 0, 0, 0, 0, 0
  FROM orders WHERE outcome <> 'credited' AND currency IS NOT NULL
 GROUP BY merchant_id, currency
