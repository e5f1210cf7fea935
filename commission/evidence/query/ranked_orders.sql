-- The orders with a credit that may count in a period: of the partner, in the role and unit, placed within two days of its days.
SELECT o.no, o.decision
  FROM commission c JOIN orders o ON o.no = c.order_no
 WHERE c.partner_id = $1 AND c.program_id = $2 AND c.role = $3 AND c.unit = $4
   AND c.occurred_at >= date '1970-01-01' + $5::int - interval '2 days' AND c.occurred_at < date '1970-01-01' + $6::int + interval '3 days'
