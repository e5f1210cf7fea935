-- Balances of accounts as of $1: the last checkpoint that holds nothing later, and what was posted behind it up to then.
-- The caller adds which accounts.
SELECT a.id, a.kind, coalesce(a.merchant_id, 0), coalesce(a.partner_id, 0), coalesce(k.customer_id, ''), a.unit,
       (coalesce(c.debits, 0) + d.amount)::bigint, (coalesce(c.credits, 0) + e.amount)::bigint
  FROM account a
  LEFT JOIN customer k ON k.no = a.customer_no
  LEFT JOIN LATERAL (SELECT through_seq, debits, credits FROM checkpoint
                      WHERE account_id = a.id AND latest <= $1 ORDER BY through_seq DESC LIMIT 1) c ON true
 CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM posting
                      WHERE debit = a.id AND seq > coalesce(c.through_seq, 0) AND effective_at <= $1) d
 CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM posting
                      WHERE credit = a.id AND seq > coalesce(c.through_seq, 0) AND effective_at <= $1) e
