-- The $3 newest postings of account $1 before number $2, newest first.
SELECT seq, source, source_no, version, n, other, debits, credits, effective_at, posted_at FROM (
  (SELECT seq, source, source_no, version, n, credit AS other, amount AS debits, 0::bigint AS credits, effective_at, posted_at
     FROM posting WHERE debit = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3)
  UNION ALL
  (SELECT seq, source, source_no, version, n, debit, 0, amount, effective_at, posted_at
     FROM posting WHERE credit = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3)) lines
 ORDER BY seq DESC LIMIT $3
