-- The new state of orders that were known.
UPDATE orders o
   SET version = n.version, occurred_at = n.occurred_at, currency = n.currency, lines = n.lines, amount = n.amount,
       refunded = n.refunded, customer_id = n.customer_id, outcome = n.outcome, over_refund = n.over_refund,
       decision = n.decision::json, received_at = n.received_at, late = n.late, refund_oddities = n.refund_oddities, released_until = n.released_until,
       goal = n.goal
  FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
              $10::bigint[], $11::text[], $12::timestamptz[], $13::boolean[], $14::int[], $15::timestamptz[], $16::text[])
       n (no, version, occurred_at, currency, lines, amount, refunded, customer_id, outcome, over_refund, decision,
          received_at, late, refund_oddities, released_until, goal)
 WHERE o.no = n.no
