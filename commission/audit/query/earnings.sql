-- The commissions on the orders numbered $1.
SELECT k.no, c.partner_id, c.role, c.unit, c.program_id, c.link_id, c.occurred_at, c.currency, c.lines, c.leads, c.counts, c.revenue, c.refunded,
       c.gross, c.net, c.fee, c.pending, c.payable, c.held, c.paid, c.hold_until, c.released, c.state
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT * FROM commission WHERE order_no = k.no OFFSET 0) c
