-- What all accounts of a kind and unit add up to as of $1, each from its checkpoint as in balances.sql. A sum that does not
-- fit 64 bits counts as the largest that does.
SELECT a.kind, a.unit, count(*),
       least(sum(coalesce(c.debits, 0) + d.amount), 9223372036854775807)::bigint,
       least(sum(coalesce(c.credits, 0) + e.amount), 9223372036854775807)::bigint
  FROM account a
  LEFT JOIN LATERAL (SELECT through_seq, debits, credits FROM checkpoint
                      WHERE account_id = a.id AND latest <= $1 ORDER BY through_seq DESC LIMIT 1) c ON true
 CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM posting
                      WHERE debit = a.id AND seq > coalesce(c.through_seq, 0) AND effective_at <= $1) d
 CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM posting
                      WHERE credit = a.id AND seq > coalesce(c.through_seq, 0) AND effective_at <= $1) e
 GROUP BY a.kind, a.unit ORDER BY a.unit, a.kind
