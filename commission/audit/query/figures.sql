-- What the commissions add up to for each merchant, partner, role, unit and currency, those apart under which orders are
-- counted. An order counts once for each partner. The fees are pending as long as the hold is, or while a review or a dispute of all holds; what
-- a dispute of a part holds is in no row, and comes on top (disputedFees). Orders on
-- which nobody earns stand under partner 0. Test orders and void ones count nowhere, and what periods and manual lines pay counts no orders.
SELECT c.merchant_id, c.partner_id, c.role, c.unit, c.currency, c.leads,
       count(*) FILTER (WHERE c.counts), sum(CASE WHEN c.counts THEN c.revenue ELSE 0 END)::bigint,
       sum(CASE WHEN c.counts THEN c.refunded ELSE 0 END)::bigint, sum(c.gross)::bigint,
       sum(c.net)::bigint, sum(c.fee)::bigint, sum(c.pending)::bigint, sum(c.payable)::bigint,
       sum(CASE WHEN o.released_until >= c.hold_until AND c.state <> 'held' THEN 0 ELSE c.fee END)::bigint,
       sum(CASE WHEN o.released_until >= c.hold_until AND c.state <> 'held' THEN c.fee ELSE 0 END)::bigint
  FROM commission c JOIN orders o ON o.no = c.order_no
 GROUP BY c.merchant_id, c.partner_id, c.role, c.unit, c.currency, c.leads
UNION ALL
SELECT merchant_id, 0, 'partner', currency, currency, true, count(*), sum(amount)::bigint, sum(refunded)::bigint, 0, 0, 0, 0, 0, 0, 0
  FROM orders WHERE outcome NOT IN ('credited', 'voided') AND currency IS NOT NULL AND keys = 0
 GROUP BY merchant_id, currency
UNION ALL
SELECT merchant_id, partner_id, role, unit, unit, false, 0, 0, 0, 0, sum(net)::bigint, sum(fee)::bigint, sum(pending)::bigint, sum(payable)::bigint,
       sum(fee_pending)::bigint, sum(fee_earned)::bigint
  FROM period GROUP BY merchant_id, partner_id, role, unit
UNION ALL
SELECT m.merchant_id, m.partner_id, 'partner', m.unit, m.unit, false, 0, 0, 0, 0, sum(m.amount)::bigint, 0, 0, sum(m.amount)::bigint, 0, 0
  FROM manual_line m JOIN inbox i ON i.kind = 'manual_line' AND i.ref = m.no::text JOIN inbox_taken t ON t.no = i.no AND t.problem = ''
 GROUP BY m.merchant_id, m.partner_id, m.unit
