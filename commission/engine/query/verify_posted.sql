-- What the books hold for the orders numbered $1, in the order of its numbering.
SELECT p.source_no, p.version, p.n, d.kind, c.kind, d.merchant_id, coalesce(d.partner_id, c.partner_id, 0), p.unit, p.amount, p.effective_at
  FROM unnest($1::bigint[]) k (no)
  JOIN posting p ON p.source = 1 AND p.source_no = k.no
  JOIN account d ON d.id = p.debit
  JOIN account c ON c.id = p.credit
 ORDER BY p.source_no, p.version, p.n
