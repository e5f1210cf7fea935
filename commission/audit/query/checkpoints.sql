-- Checkpoints that are not the one before them plus the postings in between.
SELECT 'checkpoint', format('(%s, %s)', k.account_id, k.through_seq), 'debits, credits, latest',
       format('%s, %s, %s', k.debits_before + s.debits, k.credits_before + s.credits, greatest(k.latest_before, s.latest)),
       format('%s, %s, %s', k.debits, k.credits, k.latest)
  FROM (SELECT c.*, coalesce(lag(through_seq) OVER w, 0) AS after, coalesce(lag(debits) OVER w, 0) AS debits_before,
               coalesce(lag(credits) OVER w, 0) AS credits_before, lag(latest) OVER w AS latest_before
          FROM checkpoint c WINDOW w AS (PARTITION BY account_id ORDER BY through_seq)) k
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(debit), 0) AS debits, coalesce(sum(credit), 0) AS credits, max(effective_at) AS latest FROM (
         SELECT amount AS debit, 0 AS credit, effective_at FROM posting WHERE debit = k.account_id AND seq > k.after AND seq <= k.through_seq
         UNION ALL
         SELECT 0, amount, effective_at FROM posting WHERE credit = k.account_id AND seq > k.after AND seq <= k.through_seq) both_sides) s
 WHERE (k.debits_before + s.debits, k.credits_before + s.credits, greatest(k.latest_before, s.latest)) IS DISTINCT FROM (k.debits, k.credits, k.latest)
 LIMIT $1
